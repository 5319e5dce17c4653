/** Keys, calls, budgets, routes and users: what the first load does without. Shapes as in docs/page-api.md. */
import { request } from './client'
import type { Money, Provenance, Role, Totals } from './types'

const part = encodeURIComponent

export type Disconnect = 'drain' | 'cut'
export const DOORS = ['openai', 'ask', 'websocket', 'grpc'] as const
export type Door = (typeof DOORS)[number]

export interface ApiKey {
  id: string
  name: string
  user_id: string
  user_name: string | null
  hint: string
  state: 'active' | 'revoked' | 'expired'
  models: string[] | null
  doors: Door[] | null
  created_at: number
  expires_at: number | null
  revoked_at: number | null
  last_used_at: number | null
  disconnect: Disconnect
  rpm: number | null
  tpm: number | null
  replaces: string | null
}
export interface NewKey {
  key: ApiKey
  /** In this answer only. */
  token: string
}
export interface KeyBody {
  name?: string
  user_id?: string
  models?: string[] | null
  doors?: Door[] | null
  expires_at?: number | null
  disconnect?: Disconnect
  rpm?: number | null
  tpm?: number | null
}
export const keys = (): Promise<{ keys: ApiKey[] }> => request('GET', '/api/keys')
export const addKey = (body: KeyBody): Promise<NewKey> => request('POST', '/api/keys', { body })
export const changeKey = (id: string, body: KeyBody): Promise<ApiKey> =>
  request('PATCH', `/api/keys/${part(id)}`, { body })
export const revokeKey = (id: string): Promise<ApiKey> => request('POST', `/api/keys/${part(id)}/revoke`)
export const rotateKey = (id: string, overlap_seconds: number): Promise<NewKey> =>
  request('POST', `/api/keys/${part(id)}/rotate`, { body: { overlap_seconds } })

export interface User {
  id: string
  name: string
  role: Role
  created_at: number
  disabled_at: number | null
  has_password: boolean
  rpm: number | null
  tpm: number | null
}
export interface UserBody {
  name?: string
  role?: Role
  disabled?: boolean
  rpm?: number | null
  tpm?: number | null
}
export const users = (): Promise<{ users: User[] }> => request('GET', '/api/users')
export const addUser = (body: UserBody): Promise<User> => request('POST', '/api/users', { body })
export const changeUser = (id: string, body: UserBody): Promise<User> =>
  request('PATCH', `/api/users/${part(id)}`, { body })
export const setPassword = (id: string, password: string | null, current?: string): Promise<void> =>
  request('POST', `/api/users/${part(id)}/password`, { body: current === undefined ? { password } : { password, current } })
export const inviteUser = (id: string): Promise<{ path: string; expires_at: number }> =>
  request('POST', `/api/users/${part(id)}/invitation`)

export const SCOPES = ['instance', 'user', 'key', 'provider', 'tag', 'room'] as const
export type Scope = (typeof SCOPES)[number]
export const PERIODS = ['day', 'week', 'month', 'total', 'request'] as const
export type Period = (typeof PERIODS)[number]

/** Money as decimal strings of picodollars, tokens as numbers. */
export type Amount = string | number

export interface Budget {
  id: string
  name: string
  scope: Scope
  scope_id: string | null
  period: Period
  unit: 'picodollars' | 'tokens'
  amount: Amount
  hard: boolean
  enabled: boolean
  created_at: number
  standing: { spent: Amount; reserved: Amount; remaining: Amount; period_start: number; resets_at: number | null }
}
export interface BudgetBody {
  name: string
  amount: string
  period: Period
  scope: Scope
  scope_id: string | null
  hard: boolean
}
export const budgets = (): Promise<{ budgets: Budget[]; time_zone: string }> => request('GET', '/api/budgets')
export const addBudget = (body: BudgetBody): Promise<Budget> => request('POST', '/api/budgets', { body })
export const changeBudget = (
  id: string,
  body: { name?: string; amount?: string; hard?: boolean; enabled?: boolean },
): Promise<Budget> => request('PATCH', `/api/budgets/${part(id)}`, { body })
export const deleteBudget = (id: string): Promise<void> => request('DELETE', `/api/budgets/${part(id)}`)

export interface RouteTarget {
  provider_id: string | null
  model: string | null
}
export interface ModelRoute {
  id: string
  pattern: string
  targets: RouteTarget[]
  retries: number
  enabled: boolean
  created_at: number
}
export interface RouteBody {
  pattern?: string
  targets?: RouteTarget[]
  retries?: number
  enabled?: boolean
}
export const routes = (): Promise<{ routes: ModelRoute[] }> => request('GET', '/api/routes')
export const addRoute = (body: RouteBody): Promise<ModelRoute> => request('POST', '/api/routes', { body })
export const changeRoute = (id: string, body: RouteBody): Promise<ModelRoute> =>
  request('PATCH', `/api/routes/${part(id)}`, { body })
export const deleteRoute = (id: string): Promise<void> => request('DELETE', `/api/routes/${part(id)}`)

export const OUTCOMES = ['finished', 'stopped', 'interrupted', 'refused', 'failed', 'not_sent'] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface Call {
  id: string
  state: 'open' | 'settled'
  opened_at: number
  first_byte_at: number | null
  settled_at: number | null
  surface: string
  endpoint: string
  user_id: string
  user_name: string | null
  key_id: string | null
  key_name: string | null
  provider_id: string
  provider_name: string
  model_asked: string | null
  model_requested: string
  model_served: string | null
  attempt: number
  outcome: Outcome | null
  provenance: Provenance | null
  prompt_tokens: number | null
  cached_tokens: number | null
  completion_tokens: number | null
  reasoning_tokens: number | null
  cost: Money
  priced: boolean | null
  http_status: number | null
  error_code: string | null
  end_user: string | null
  tags: string[]
  room_id: string | null
}
export interface CallPage {
  calls: Call[]
  next: string | null
  totals?: Totals
}
export const calls = (query: URLSearchParams, signal: AbortSignal): Promise<CallPage> =>
  request('GET', `/api/calls?${query}`, { signal })
export const exportAddress = (query: URLSearchParams, format: 'csv' | 'ndjson'): string => {
  const asked = new URLSearchParams(query)
  asked.delete('sort')
  asked.set('format', format)
  return `/api/calls/export?${asked}`
}
