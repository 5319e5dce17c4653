import type { Call, Period, Scope } from '../api/gateway'
import type { Origin } from '../chat/chip'
import { t, type PlainKey } from '../i18n/index.svelte'

const OUTCOMES: Record<string, PlainKey> = {
  finished: 'outcome_finished',
  stopped: 'outcome_stopped',
  interrupted: 'outcome_interrupted',
  refused: 'outcome_refused',
  failed: 'outcome_failed',
  not_sent: 'outcome_not_sent',
  open: 'outcome_open',
}
const ORIGINS: Record<Origin, PlainKey> = {
  reported: 'origin_reported',
  drained: 'origin_drained',
  counted: 'origin_counted',
  estimated: 'origin_estimated',
  unknown: 'origin_unknown',
  reconciled: 'origin_reconciled',
  preflight: 'origin_open',
  running: 'origin_open',
}
const SURFACE_NAMES: Record<string, PlainKey> = {
  web: 'surface_web',
  openai: 'surface_openai',
  ask: 'surface_ask',
  websocket: 'surface_websocket',
  grpc: 'surface_grpc',
}
/** The ways in that a call can have come. */
export const SURFACES: readonly string[] = Object.keys(SURFACE_NAMES)
const PERIODS: Record<Period, PlainKey> = {
  day: 'period_day',
  week: 'period_week',
  month: 'period_month',
  total: 'period_total',
  request: 'period_request',
}
const SCOPES: Record<Scope, PlainKey> = {
  instance: 'scope_instance',
  user: 'scope_user',
  key: 'scope_key',
  provider: 'scope_provider',
  tag: 'scope_tag',
  room: 'scope_room',
}

function word(words: Record<string, PlainKey>, name: string): string {
  const key = words[name]
  return key === undefined ? name : t(key)
}

export const outcomeName = (name: string): string => word(OUTCOMES, name)
export const originName = (name: string): string => word(ORIGINS, name)
export const surfaceName = (name: string): string => word(SURFACE_NAMES, name)
export const periodName = (name: Period): string => t(PERIODS[name])
export const scopeName = (name: Scope): string => t(SCOPES[name])

export function originOf(call: Call): Origin {
  return call.provenance ?? (call.state === 'open' ? 'running' : 'unknown')
}

/** Who made a call: the key where there is one, else the user, else the machine itself. */
export function whoOf(call: Call): string {
  if (call.user_id === 'local' && call.key_id === null) return t('without_key')
  return call.key_name ?? call.user_name ?? call.user_id
}
