// An independent master operates breaker CB_201 of a running station (unit 3, see the point map).
// usage: node modbus_station.js PORT; prints one JSON object.
const ModbusRTU = require("modbus-serial");

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function refusalOf(promise) {
  try {
    await promise;
    return 0;
  } catch (error) {
    return error.modbusCode || String(error.message);
  }
}

async function main() {
  const client = new ModbusRTU();
  await client.connectTCP("127.0.0.1", { port: Number(process.argv[2]) });
  client.setTimeout(2000);
  const currents = async () => {
    const b = (await client.readInputRegisters(112, 6)).buffer;
    return [0, 4, 8].map((at) => b.readFloatBE(at));
  };
  const contacts = async () => (await client.readDiscreteInputs(16, 2)).data.slice(0, 2);
  const out = { contacts: [] };
  client.setID(3);
  out.before = await currents();
  out.contacts.push(await contacts());
  await client.writeCoil(16, true);
  await sleep(300);
  out.dead = await currents();
  out.contacts.push(await contacts());
  await client.writeCoil(17, true);
  await sleep(300);
  out.after = await currents();
  out.contacts.push(await contacts());
  client.setID(1);
  out.outOfRange = [
    await refusalOf(client.writeRegisters(100, [0x4000, 0x0000])), // SUB.SRC.V_SP = 2.0
    await refusalOf(client.writeRegisters(260, [0x4110, 0x0000])), // SUB.LOAD.SCALE_SP = 9.0
  ];
  client.setID(103);
  out.mirrorWrite = await refusalOf(client.writeCoil(16, true));
  client.close(() => {});
  console.log(JSON.stringify(out));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
