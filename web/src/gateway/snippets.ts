/** Beginnings for programs, ready to run. Pure. */
export type Language = 'python' | 'node' | 'curl'
export const LANGUAGES: readonly Language[] = ['python', 'node', 'curl']
export const LANGUAGE_NAMES: Record<Language, string> = { python: 'Python', node: 'Node.js', curl: 'curl' }

export function snippet(language: Language, base: string, token: string, model: string): string {
  if (language === 'python') {
    return `from openai import OpenAI

client = OpenAI(
    base_url=${JSON.stringify(base)},
    api_key=${JSON.stringify(token)},
)
answer = client.chat.completions.create(
    model=${JSON.stringify(model)},
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`
  }
  if (language === 'node') {
    return `import OpenAI from "openai"

const client = new OpenAI({
  baseURL: ${JSON.stringify(base)},
  apiKey: ${JSON.stringify(token)},
})
const answer = await client.chat.completions.create({
  model: ${JSON.stringify(model)},
  messages: [{ role: "user", content: "Hello" }],
})
console.log(answer.choices[0].message.content)`
  }
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello' }] })
  return `curl ${quoted(`${base}/chat/completions`)} \\
  -H ${quoted(`Authorization: Bearer ${token}`)} \\
  -H 'Content-Type: application/json' \\
  -d ${quoted(body)}`
}

/** One word for a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** A model to begin with: the wanted one if the key may use it, else the first that it names. */
export function modelFor(wanted: string, allowed: readonly string[] | null): string {
  if (allowed === null || allowed.some((rule) => allows(rule, wanted))) return wanted
  return allowed.find((rule) => !rule.endsWith('*')) ?? wanted
}

export function allows(rule: string, model: string): boolean {
  return rule.endsWith('*') ? model.startsWith(rule.slice(0, -1)) : rule === model
}
