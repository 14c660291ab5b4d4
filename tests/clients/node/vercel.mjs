// Vercel AI SDK: @ai-sdk/openai (Responses API by default, .chat for chat completions) and @ai-sdk/openai-compatible.
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, Output, embed, generateText, streamText, tool } from 'ai'
import { z } from 'zod'
import { EMBEDDER, LABELS, MODEL, QUESTION, SECRET, STRICT_KEY, TICKET, TOOL_TEXT, holds, refused, restored, run } from './checks.mjs'

const openai = createOpenAI({ headers: LABELS }) // OPENAI_BASE_URL and OPENAI_API_KEY say where
const compatible = createOpenAICompatible({
  name: 'sluice',
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
  headers: LABELS,
  includeUsage: true,
  supportsStructuredOutputs: true,
})
const models = { responses: openai(MODEL), chat: openai.chat(MODEL), compatible: compatible(MODEL) }
const Triage = z.object({ category: z.enum(['billing', 'delivery', 'other']), urgent: z.boolean() })

async function each(call) {
  const found = []
  for (const [name, model] of Object.entries(models)) found.push(`${name}: ${await call(model)}`)
  return found.join('; ')
}

async function streamed(model) {
  const pieces = []
  for await (const piece of streamText({ model, prompt: QUESTION }).textStream) pieces.push(piece)
  holds(pieces.length > 3, pieces)
  return restored(pieces.join(''))
}

async function called(model) {
  const get_weather = tool({
    description: 'Get the weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => `Rain in ${city}.`,
  })
  const reply = await generateText({ model, prompt: TOOL_TEXT, tools: { get_weather }, toolChoice: 'required' })
  return holds(reply.toolCalls[0].input.city, reply.toolCalls)
}

async function structured(model) {
  const reply = await generateText({ model, prompt: TICKET, output: Output.object({ schema: Triage }) })
  return reply.output.category
}

await run({
  call: async () => {
    const reply = await generateText({ model: models.responses, prompt: TICKET })
    holds(reply.response.headers['x-sluice-call-id'].startsWith('call_'), reply.response.headers)
    return reply.text
  },
  stream: () => each(streamed),
  tools: () => each(called),
  structured: () => each(structured),
  responses: async () => restored((await generateText({ model: models.responses, prompt: QUESTION })).text),
  embeddings: async () => (await embed({ model: openai.embedding(EMBEDDER), value: TICKET })).embedding.length,
  refused: async () => {
    const model = createOpenAI({ apiKey: STRICT_KEY })(MODEL)
    const error = await refused(APICallError.isInstance, () => generateText({ model, prompt: SECRET }))
    holds(error.statusCode === 403 && !error.isRetryable && error.data.error.code === 'content_blocked', error)
    return `${error.name} ${error.statusCode} ${error.data.error.code}`
  },
  usage: () =>
    each(async (model) => {
      const stream = streamText({ model, prompt: TICKET })
      await stream.consumeStream()
      return holds((await stream.usage).outputTokens, await stream.usage)
    }),
  restored: () => each(async (model) => restored((await generateText({ model, prompt: QUESTION })).text)),
})
