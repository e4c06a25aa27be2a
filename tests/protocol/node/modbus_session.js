// An independent Modbus master: reads, parallel reads, device identification, commands, refusals.
// usage: node modbus_session.js PORT; prints one JSON object.
const ModbusRTU = require("modbus-serial");

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
  client.setID(1);
  const out = {};
  out.selfTest = (await client.readInputRegisters(90, 4)).buffer.readFloatBE(0);
  out.whole = (await client.readHoldingRegisters(0, 125)).data.length;
  await client.writeRegister(20, 4711);
  await client.writeRegisters(21, [1, 2, 3]);
  const parallel = await Promise.all([20, 21, 22, 23].map((a) => client.readHoldingRegisters(a, 1)));
  out.parallel = parallel.map((r) => r.data[0]);
  const identity = await client.readDeviceIdentification(1, 0);
  out.vendor = identity.data[0];
  out.pastTheEnd = await refusalOf(client.readHoldingRegisters(1999, 5));
  out.outOfRange = await refusalOf(client.writeRegisters(100, [0x7f7f, 0xffff]));
  client.setID(2);
  await client.writeCoil(3, true);
  await client.writeCoils(0, [true, false, true]);
  out.coils = (await client.readCoils(0, 8)).data.slice(0, 8);
  client.setID(101);
  out.mirrorWrite = await refusalOf(client.writeRegister(20, 1));
  client.setID(9);
  out.unknownUnit = await refusalOf(client.readHoldingRegisters(0, 1));
  client.close(() => {});
  console.log(JSON.stringify(out));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
