import type { Door } from '../api/gateway'
import { number } from '../i18n/figures'
import { t } from '../i18n/index.svelte'

const DOORS: Record<Door, string> = { openai: 'OpenAI', ask: 'Ask', websocket: 'WebSocket', grpc: 'gRPC' }

export const doorName = (door: Door): string => DOORS[door]

/** "60 requests, 100,000 tokens a minute", or that there is no limit. */
export function limitsText(rpm: number | null, tpm: number | null): string {
  if (rpm === null && tpm === null) return t('limits_none')
  const parts = [
    ...(rpm === null ? [] : [t('limit_requests', { n: number(rpm) })]),
    ...(tpm === null ? [] : [t('limit_tokens', { n: number(tpm) })]),
  ]
  return parts.join(' · ')
}

/** "gpt-4o, gpt-5*" as a list; nothing means all. */
export function namesOf(text: string): string[] | null {
  const names = [...new Set(text.split(/[\s,]+/).filter((name) => name !== ''))]
  return names.length === 0 ? null : names
}
