// openai for Node, as it comes.
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { EMBEDDER, LABELS, MODEL, QUESTION, SECRET, STRICT_KEY, TICKET, TOOL_TEXT, holds, refused, restored, run } from './checks.mjs'

const client = new OpenAI({ defaultHeaders: LABELS }) // OPENAI_BASE_URL and OPENAI_API_KEY say where
const Triage = z.object({ category: z.enum(['billing', 'delivery', 'other']), urgent: z.boolean() })
const said = (text) => ({ model: MODEL, messages: [{ role: 'user', content: text }] })
const ask = (text, more) => client.chat.completions.create({ ...said(text), ...more })
const TOOL = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Get the weather of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

await run({
  call: async () => {
    const { data, response } = await ask(TICKET).withResponse()
    holds(response.headers.get('x-sluice-call-id').startsWith('call_'), [...response.headers])
    return data.choices[0].message.content
  },
  stream: async () => {
    const pieces = []
    for await (const event of await ask(QUESTION, { stream: true })) pieces.push(event.choices[0]?.delta?.content ?? '')
    holds(pieces.length > 3, pieces)
    return restored(pieces.join(''))
  },
  tools: async () => {
    const called = (await ask(TOOL_TEXT, { tools: [TOOL], tool_choice: 'required' })).choices[0].message.tool_calls[0]
    return holds(JSON.parse(called.function.arguments).city, called)
  },
  structured: async () => {
    const reply = await client.chat.completions.parse({ ...said(TICKET), response_format: zodResponseFormat(Triage, 'triage') })
    return reply.choices[0].message.parsed.category
  },
  responses: async () => {
    const stream = client.responses.stream({ model: MODEL, input: QUESTION })
    return restored((await stream.finalResponse()).output_text)
  },
  background: async () => {
    const begun = await client.responses.create({ model: MODEL, input: QUESTION, background: true, stream: true })
    let name
    let number
    for await (const event of begun) {
      name ??= event.response.id
      number = event.sequence_number
      if (number >= 2) break
    }
    const rest = []
    for await (const event of await client.responses.retrieve(name, { stream: true, starting_after: number })) rest.push(event)
    holds(rest[0].sequence_number === number + 1 && rest.at(-1).type === 'response.completed', rest)
    return restored((await client.responses.retrieve(name)).output_text)
  },
  embeddings: async () => (await client.embeddings.create({ model: EMBEDDER, input: TICKET })).data[0].embedding.length,
  refused: async () => {
    const strict = new OpenAI({ apiKey: STRICT_KEY })
    const error = await refused(
      (e) => e instanceof OpenAI.PermissionDeniedError,
      () => strict.chat.completions.create(said(SECRET)),
    )
    holds(error.code === 'content_blocked' && error.requestID, error)
    return `${error.constructor.name} ${error.code}`
  },
  usage: async () => {
    let last
    for await (const event of await ask(TICKET, { stream: true, stream_options: { include_usage: true } })) last = event
    return holds(last.usage.total_tokens, last)
  },
  restored: async () => restored((await ask(QUESTION)).choices[0].message.content),
})
