// An application in JavaScript: the AI SDK with a scripted model, its spans sent by OpenTelemetry's SDK.
// Prints what was said and what it led to, as JSON, once all of its spans are with the Collector.

import { trace } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { generateText } from "ai";
import { MockLanguageModelV2 } from "ai/test";

const [prefix, turns] = [process.argv[2], Number(process.argv[3])];
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())] });
provider.register();

let answers = 0;
const model = new MockLanguageModelV2({
  doGenerate: async () => ({
    content: [{ type: "text", text: `Answer ${++answers} in ${prefix}.` }],
    finishReason: "stop",
    usage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
    warnings: [],
  }),
});

async function ask(id, messages) {
  messages.push({ role: "user", content: `Question ${messages.length} of ${id}?` });
  const metadata = { conversationId: id, userId: "ada" };
  const { text } = await generateText({
    model,
    messages,
    experimental_telemetry: { isEnabled: true, metadata },
  });
  messages.push({ role: "assistant", content: text });
}

function sell(id, value) {
  const attributes = {
    "greenflash.outcome.event_type": "upgrade",
    "greenflash.outcome.value": value,
    "greenflash.outcome.value_type": "numeric",
    "greenflash.outcome.insert_id": `${id}-sold`,
    "gen_ai.conversation.id": id,
    "user.id": "ada",
  };
  trace.getTracer("shop").startSpan("greenflash.outcome", { attributes }).end();
}

// Attributes of spans: the rating of a conversation, and who a user and an organization are.
function describe(id) {
  const spans = {
    "greenflash.rating": { "greenflash.rating.rating": true, "gen_ai.conversation.id": id },
    "greenflash.user": {
      "greenflash.identify": "user",
      "greenflash.user.id": `ada of ${id}`,
      "greenflash.user.name": "Ada",
      "greenflash.user.properties.plan": "pro",
      "greenflash.organization.id": `acme of ${id}`,
    },
    "greenflash.organization": {
      "greenflash.identify": "organization",
      "greenflash.organization.id": `acme of ${id}`,
      "greenflash.organization.name": "Acme",
    },
  };
  for (const [name, attributes] of Object.entries(spans)) trace.getTracer("shop").startSpan(name, { attributes }).end();
}

const talks = {};
const outcomes = {};
for (const id of [`${prefix}-0`, `${prefix}-1`]) {
  talks[id] = [];
  for (let turn = 0; turn < turns; turn++) await ask(id, talks[id]);
  sell(id, "7");
  describe(id);
  outcomes[id] = ["7"];
}
await provider.shutdown();
console.log(JSON.stringify({ talks, outcomes }));
