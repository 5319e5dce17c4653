/** The shapes of docs/page-api.md. Times: microseconds since 1970 UTC. Money: picodollars as decimal strings. */

export type Money = string | null

export type Language = 'auto' | 'ko' | 'en'
export type Theme = 'auto' | 'light' | 'dark'

export interface Settings {
  default_model: string
  default_provider_id: string | null
  /** Messages sent, the question included; 0 sends all. */
  default_window: number
  default_system_prompt: string
  default_temperature: number | null
  default_top_p: number | null
  default_max_tokens: number | null
  currency: string
  /** Units of `currency` for one US dollar. */
  currency_rate: string | null
  /** Where a calendar day begins. */
  time_zone: string
  language: Language
  theme: Theme
}

/** What users choose for themselves; null: what holds for everybody. */
export type Preferences = { [name in 'language' | 'theme']?: Settings[name] | null }

export interface SettingsAnswer {
  settings: Settings
  /** Setting name → where it is fixed (flag, environment, file). */
  locked: Record<string, string>
  described: { name: string; kind: string; default: unknown; help: string; help_ko: string }[]
}

export type Role = 'owner' | 'member'

export interface SessionState {
  signed_in: boolean
  password_set: boolean
  several_users: boolean
  version: string
}

export interface Limits {
  upload_bytes: number
  upload_pixels: number
  images_per_message: number
  text_bytes: number
}

/** Seconds; null: as the settings say for all providers. */
export type TimeoutName = 'connect' | 'headers' | 'first_token' | 'silence'
export type Timeouts = Record<TimeoutName, number | null>

export interface Provider {
  id: string
  name: string
  /** null for members, who need not know. */
  base_url: string | null
  key_hint: string | null
  enabled: boolean
  source: 'stored' | 'environment' | 'simulator'
  created_at: number
  admin_key_hint: string | null
  /** null for members. */
  timeouts: Timeouts | null
}

export interface ProviderTest {
  ok: boolean
  status: number | null
  milliseconds: number
  models: string[]
  error: { message: string; message_ko: string } | null
}

export interface Model {
  id: string
  provider_id: string
  provider_name: string
  context_window: number | null
  max_output: number | null
  priced: boolean
  input_per_million: Money
  output_per_million: Money
  encoding: string
  encoding_known: boolean
}

export interface Bootstrap {
  version: string
  /** The user's id. */
  principal: string
  name: string
  role: Role
  settings: Settings
  providers: Provider[]
  simulator: boolean
  limits: Limits
}

/** How many messages go along, 0 = all; or the newest ones with which the request has at most so many tokens. */
export type HistoryWindow = number | { tokens: number }

/** What a room may say differently from the settings; null keeps the setting. */
export interface RoomOptions {
  model: string | null
  provider_id: string | null
  window: HistoryWindow | null
  system_prompt: string | null
  temperature: number | null
  top_p: number | null
  max_tokens: number | null
}

export interface Room extends RoomOptions {
  id: string
  title: string
  pinned: boolean
  leaf_id: string | null
  running: boolean
  created_at: number
  last_used_at: number
  message_count: number
}

export interface RoomPatch extends Partial<RoomOptions> {
  title?: string
  pinned?: boolean
  leaf_id?: string
}

export interface Totals {
  calls: number
  prompt_tokens: number
  completion_tokens: number
  cost: Money
  unpriced_calls: number
  unknown_calls: number
  open_calls: number
}

export type MessageStatus = 'complete' | 'queued' | 'streaming' | 'interrupted' | 'stopped' | 'failed'

export type Provenance = 'reported' | 'drained' | 'counted' | 'estimated' | 'unknown' | 'reconciled'

export interface Figures {
  entry_id: string
  state: 'open' | 'settled'
  provenance: Provenance | null
  prompt_tokens: number | null
  cached_tokens: number | null
  completion_tokens: number | null
  reasoning_tokens: number | null
  input_cost: Money
  output_cost: Money
  cost: Money
  priced: boolean | null
  preflight_tokens: number | null
  model_served: string | null
}

export interface Attachment {
  id: string
  name: string
  mime: string
  bytes: number
  width: number
  height: number
}

export interface MessageFailure {
  code: string
  message: string
  message_ko: string
  status: number | null
  retry_after: number | null
}

export interface Message {
  id: string
  room_id: string
  parent_id: string | null
  role: 'user' | 'assistant'
  text: string
  status: MessageStatus
  siblings: string[]
  created_at: number
  finished_at: number | null
  attachments: Attachment[]
  model: string | null
  provider_name: string | null
  run_id: string | null
  error: MessageFailure | null
  figures: Figures | null
}

export interface RoomPage {
  rooms: Room[]
  next: string | null
  total: number
}

export interface RoomAnswer {
  room: Room
  messages: Message[]
  older: string | null
  totals: Totals
}

export interface AskBody {
  room_id: string | null
  parent_id?: string | null
  client_id: string
  text: string
  attachment_ids: string[]
  room?: Partial<RoomOptions>
}

export interface AskAnswer {
  room: Room
  question: Message
  answer: Message
  run_id: string
}

export type StopMode = 'drain' | 'cut'

export interface RunEnd {
  answer: Message
  question: Message
  totals: Totals
}

export type RunEvent =
  | { type: 'queued'; data: { behind: string } }
  | { type: 'started'; data: { entry_id: string; model: string; preflight_tokens: number } }
  | { type: 'delta'; data: { offset: number; text: string } }
  | { type: 'reasoning'; data: { seconds: number } }
  | { type: 'stopping'; data: { mode: StopMode } }
  | { type: 'finished' | 'stopped' | 'failed' | 'interrupted'; data: RunEnd }

export interface PreviewBody {
  room_id: string | null
  parent_id?: string | null
  text: string
  attachment_ids: string[]
  room?: Partial<RoomOptions>
}

export interface Rung {
  window: HistoryWindow
  messages_sent: number
  prompt_tokens: number
  cached_tokens: number
  cost_low: Money
  cost_high: Money
  fits: boolean
  dropped: number
}

export interface Preview {
  model: string
  encoding: string
  quality: 'exact' | 'estimate'
  context_window: number | null
  reserved_output: number | null
  window: HistoryWindow
  fits: boolean
  fits_window: number | null
  draft_tokens: number
  ladder: Rung[]
}

export interface SentMessage {
  message_id: string | null
  role: 'system' | 'user' | 'assistant'
  excerpt: string
  tokens: number
  framing_tokens: number
  image_tokens: number
  quality: string
  gone: boolean
}

export interface Receipt {
  entry_id: string
  surface: string
  state: 'open' | 'settled'
  outcome: string | null
  provenance: Provenance | null
  provider_name: string
  model_asked: string | null
  model_requested: string
  model_served: string | null
  service_tier: string | null
  finish_reason: string | null
  opened_at: number
  first_byte_at: number | null
  settled_at: number | null
  used_tokens: number | null
  prompt_tokens: number | null
  completion_tokens: number | null
  cached_tokens: number | null
  reasoning_tokens: number | null
  /** null for calls of the gateway, which has no rooms. */
  messages_sent: number | null
  preflight_tokens: number | null
  preflight_quality: string | null
  difference: number | null
  window: number | null
  sent: SentMessage[]
  left_out: { message_id: string | null; role: string; excerpt: string; tokens: number }[]
  lines: { kind: string; label: string; tokens: number; quality: string }[]
  output_lines: { kind: string; tokens: number }[]
  cost_lines: CostLine[]
  cost: Money
  unpriced: string[]
  raw_usage: Record<string, unknown> | null
  http_status: number | null
  error: { message?: string; message_ko?: string; code?: string } | null
  problem: string | null
  endpoint: string
  attempt: number
  user_id: string
  user_name: string | null
  key_id: string | null
  key_name: string | null
  key_hint: string | null
  room_id: string | null
  end_user: string | null
  tags: string[]
  metadata: Record<string, unknown> | null
  upstream_id: string | null
}

export interface CostLine {
  unit: string
  quantity: number
  picodollars_per: number | string
  per: number
  price_id: string
  /** null when the price row is gone. */
  price_source: string | null
  picodollars: string
}

export interface PriceRow {
  id: string
  provider: string
  model: string
  unit: string
  tier: string
  band_from: number
  effective_from: number
  picodollars: string
  per: number
  source: string
  own: boolean
}

export interface PriceAnswer {
  rows: PriceRow[]
  models?: string[]
}
