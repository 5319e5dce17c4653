import type { ApiError } from '../api/errors'
import type { en } from './en'
import { type Arguments, chooseLanguage, fill, type PlainKeys, type Spoken } from './translate'

export type Dictionary = Record<keyof typeof en, string>
export type Key = keyof typeof en
/** A text that needs no values. */
export type PlainKey = PlainKeys<typeof en>

const STORED = 'talkmeter.language'

let dictionary = $state.raw<Dictionary>({} as Dictionary)
let language = $state<Spoken>('en')

/** Only the dictionary in use is loaded; the other comes when somebody switches. */
async function load(spoken: Spoken): Promise<Dictionary> {
  if (spoken === 'ko') return (await import('./ko')).ko
  return (await import('./en')).en
}

/** Speak the language of the setting, or of the browser where the setting is "auto". */
export async function speak(setting: string | null): Promise<void> {
  const spoken = chooseLanguage(setting, navigator.languages)
  remember(setting)
  if (spoken === language && Object.keys(dictionary).length > 0) return
  dictionary = await load(spoken)
  language = spoken
  document.documentElement.lang = spoken
}

/** What this browser spoke last, so that the first words already are in the right language. */
export function rememberedLanguage(): string | null {
  return localStorage.getItem(STORED)
}

function remember(setting: string | null): void {
  if (setting !== null) localStorage.setItem(STORED, setting)
}

export function t<K extends Key>(key: K, ...values: Arguments<(typeof en)[K]>): string {
  return fill(dictionary[key], (values[0] ?? {}) as Record<string, string | number>, locale())
}

export function spokenLanguage(): Spoken {
  return language
}

export function locale(): string {
  return language === 'ko' ? 'ko-KR' : 'en-US'
}

interface Bilingual {
  message?: string
  message_ko?: string
}

/** A text that the server sent in both languages. */
export function inOurLanguage(text: Bilingual): string {
  const ours = language === 'ko' ? text.message_ko : text.message
  return atOurClock(ours ?? text.message ?? text.message_ko ?? '')
}

const MOMENT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)/g

/** Moments that the server wrote for programs, too, as people here write them. */
export function atOurClock(text: string): string {
  return text.replace(MOMENT, (moment) => new Date(moment).toLocaleString(locale(), { dateStyle: 'medium', timeStyle: 'short' }))
}

/** What went wrong, in the person's language, with the hint if there is one. */
export function explain(error: unknown): string {
  if (!isApiError(error)) return t('error_unexpected')
  if (error.unanswered) return t('error_network')
  const message = language === 'ko' ? (error.messageKo ?? error.message) : error.message
  const hint = language === 'ko' ? (error.hintKo ?? error.hint) : error.hint
  return atOurClock(hint === null ? message : `${message} ${hint}`)
}

function isApiError(error: unknown): error is ApiError {
  return error instanceof Error && error.name === 'ApiError'
}
