import type { Call } from '../api/gateway'
import { addressOf } from '../app/routes'
import { place } from '../app/router.svelte'
import { locale } from '../i18n/index.svelte'

/** Prompt and completion together, as far as they are known; null if neither is. */
export function totalOf(call: Pick<Call, 'prompt_tokens' | 'completion_tokens'>): number | null {
  const { prompt_tokens: prompt, completion_tokens: completion } = call
  return prompt === null && completion === null ? null : (prompt ?? 0) + (completion ?? 0)
}

/** Today by the clock, before by the day; in full for those who cannot see what stands around it. */
export function whenOf(microseconds: number, full = false): string {
  const then = new Date(microseconds / 1000)
  const clock = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const
  const today = new Date().toDateString() === then.toDateString()
  if (today && !full) return then.toLocaleTimeString(locale(), clock)
  return then.toLocaleString(locale(), { month: 'short', day: 'numeric', ...clock })
}

/** Where the receipt of a call is, with the list as it is now behind it. */
export function callAddress(id: string): string {
  const here = place()
  return addressOf({ view: 'gateway', section: 'calls', query: here.view === 'gateway' ? here.query : '', receipt: id })
}
