/**
 * Texts are plain strings with places in braces: `{name}` is replaced, numbers
 * grouped in the language's way; `{n|token|tokens}` chooses by whether n is 1.
 */
type Places<Text extends string> = Text extends `${string}{${infer Place}}${infer Rest}`
  ? (Place extends `${infer Name}|${string}` ? Name : Place) | Places<Rest>
  : never

export type Values<Text extends string> = Record<Places<Text>, string | number>

/** No second argument for a text without places. */
export type Arguments<Text extends string> = [Places<Text>] extends [never] ? [] : [Values<Text>]

/** The keys of a dictionary whose texts have no places. */
export type PlainKeys<Dictionary extends Record<string, string>> = {
  [Key in keyof Dictionary]: [Places<Dictionary[Key]>] extends [never] ? Key : never
}[keyof Dictionary]

export function fill(text: string, values: Readonly<Record<string, string | number>>, locale: string): string {
  return text.replace(/\{([^{}]+)\}/g, (whole, place: string) => {
    const [name = '', one, other] = place.split('|')
    const value = values[name]
    if (value === undefined) return whole
    if (one !== undefined && other !== undefined) return value === 1 || value === '1' ? one : other
    return typeof value === 'number' ? value.toLocaleString(locale) : value
  })
}

/** The names of the places in a text, in order, without repeats. */
export function placesOf(text: string): string[] {
  const names = [...text.matchAll(/\{([^{}|]+)[^{}]*\}/g)].map((match) => match[1] ?? '')
  return [...new Set(names)]
}

export type Spoken = 'ko' | 'en'

/** Korean if the person prefers it among the two we speak. */
export function chooseLanguage(setting: string | null, preferred: readonly string[]): Spoken {
  if (setting === 'ko' || setting === 'en') return setting
  for (const tag of preferred) {
    const base = tag.toLowerCase().split('-')[0]
    if (base === 'ko' || base === 'en') return base
  }
  return 'en'
}
