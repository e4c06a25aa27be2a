// A master built on node-opcua: reads, subscribes, writes, calls; prints one JSON object.
// node opcua_master.js URL MODE [USER PASSWORD PLAN], MODE None, Sign or SignAndEncrypt,
// PLAN a JSON list of ["read"|"write"|"call"|"watch", node id, ...].
"use strict";
const os = require("os");
const path = require("path");
const fs = require("fs");
const ua = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const [url, mode, user, password, plan] = process.argv.slice(2);

const pki = fs.mkdtempSync(path.join(os.tmpdir(), "gridhil-pki-"));
process.on("exit", () => fs.rmSync(pki, { recursive: true, force: true }));

async function certificates() {
  const manager = new OPCUACertificateManager({ automaticallyAcceptUnknownCertificate: true, rootFolder: pki });
  await manager.initialize();
  return manager;
}

const steps = {
  async read(session, nodeId) {
    const v = await session.read({ nodeId, attributeId: ua.AttributeIds.Value });
    return { status: v.statusCode.name, value: v.value.value, source: v.sourceTimestamp };
  },
  async write(session, nodeId, dataType, value) {
    const status = await session.write({
      nodeId,
      attributeId: ua.AttributeIds.Value,
      value: { value: { dataType: ua.DataType[dataType], value } },
    });
    return { status: status.name };
  },
  // inputs: [data type, value] each; an array is a list
  async call(session, objectId, methodId, inputs) {
    const inputArguments = (inputs || []).map(([dataType, value]) => new ua.Variant({
      dataType: ua.DataType[dataType],
      arrayType: Array.isArray(value) && dataType !== "UInt64" ? ua.VariantArrayType.Array : ua.VariantArrayType.Scalar,
      value: dataType === "DateTime" ? new Date(value) : value,
    }));
    const r = await session.call({ objectId, methodId, inputArguments });
    return {
      status: r.statusCode.name,
      outputs: (r.outputArguments || []).map((v) => Buffer.isBuffer(v.value) ? v.value.toString("base64")
        : ArrayBuffer.isView(v.value) ? Array.from(v.value) : v.value),
      types: (r.outputArguments || []).map((v) => ua.DataType[v.dataType]),
    };
  },
  async watch(session, nodeIds, milliseconds, deadband) {
    const sub = await session.createSubscription2({
      requestedPublishingInterval: 100, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20,
      maxNotificationsPerPublish: 0, publishingEnabled: true, priority: 1,
    });
    const filter = deadband === undefined ? undefined : new ua.DataChangeFilter({
      trigger: ua.DataChangeTrigger.StatusValue, deadbandType: ua.DeadbandType.Absolute, deadbandValue: deadband,
    });
    const counts = {};
    const group = await sub.monitorItems(
      nodeIds.map((nodeId) => ({ nodeId, attributeId: ua.AttributeIds.Value })),
      { samplingInterval: 100, queueSize: 10, discardOldest: true, filter }, ua.TimestampsToReturn.Both);
    group.on("changed", (item, value, index) => {
      const c = (counts[nodeIds[index]] ||= { n: 0, status: null, value: null });
      c.n += 1; c.status = value.statusCode.name; c.value = value.value.value;
    });
    await new Promise((done) => setTimeout(done, milliseconds));
    await sub.terminate();
    return counts;
  },
  async browse(session, nodeId) {
    const r = await session.browse(nodeId);
    return r.references.map((ref) => ref.browseName.toString());
  },
};

async function main() {
  const client = ua.OPCUAClient.create({
    endpointMustExist: false,
    connectionStrategy: { maxRetry: 0 },
    securityMode: ua.MessageSecurityMode[mode],
    securityPolicy: mode === "None" ? ua.SecurityPolicy.None : ua.SecurityPolicy.Basic256Sha256,
    clientCertificateManager: await certificates(),
  });
  const out = { steps: [] };
  try {
    await client.connect(url);
    const identity = user
      ? { type: ua.UserTokenType.UserName, userName: user, password }
      : { type: ua.UserTokenType.Anonymous };
    const session = await client.createSession(identity);
    for (const [what, ...rest] of JSON.parse(plan || "[]")) out.steps.push(await steps[what](session, ...rest));
    await session.close();
  } catch (error) {
    out.error = String(error.message || error);
  }
  await client.disconnect().catch(() => {});
  process.stdout.write(JSON.stringify(out) + "\n", () => process.exit(0));
}
main();
