// What every client is asked to do, and how its script reports it: one JSON line for each check that held.
export const MODEL = 'gpt-4.1-mini'
export const EMBEDDER = 'text-embedding-3-small'
export const ADDRESS = 'maria.schneider@example.com'
export const QUESTION = `Summarise this note. Parcel 4711 arrives on Friday and the customer is reached at ${ADDRESS}.`
export const SECRET = 'Deploy with AKIAIOSFODNN7EXAMPLE tonight.'
export const TICKET = 'I was charged twice for my invoice and want the money back.'
export const TOOL_TEXT = 'What is the weather in Hamburg?'
export const STRICT_KEY = process.env.STRICT_KEY // bound to an automation whose policy refuses secrets
export const LABELS = { 'x-sluice-run-id': process.env.RUN_ID, 'x-sluice-step': 'answer' }

export function holds(condition, said) {
  if (!condition) throw new Error(`unexpected: ${JSON.stringify(said)}`)
  return condition
}

export async function refused(kind, call) {
  try {
    await call()
  } catch (error) {
    if (kind(error)) return error
    throw error
  }
  throw new Error('not refused')
}

export function restored(text) {
  return holds(text.includes(ADDRESS) && !text.includes('[EMAIL_') && text, text)
}

export async function run(checks) {
  for (const [check, done] of Object.entries(checks)) {
    process.stdout.write(JSON.stringify({ check, said: String(await done()) }) + '\n')
  }
}
