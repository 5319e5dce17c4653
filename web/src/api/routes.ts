import { request } from './client'
import type {
  AskAnswer, AskBody, Bootstrap, Message, Model, Preview, PreviewBody, PriceAnswer, PriceRow, Provider,
  Preferences, ProviderTest, Receipt, Room, RoomAnswer, RoomPage, RoomPatch, SessionState, Settings, SettingsAnswer, StopMode,
  Timeouts,
} from './types'

/** Newest messages of a room in one page; older ones follow on scroll. */
export const PAGE_SIZE = 60
export const ROOMS_PAGE_SIZE = 200

const part = encodeURIComponent

export const session = (): Promise<SessionState> => request('GET', '/api/session')
/** Without a name it is the first owner's password. */
export const signIn = (password: string, name: string | null): Promise<void> =>
  request('POST', '/api/sign-in', { body: { password, name } })
export const signOut = (): Promise<void> => request('POST', '/api/sign-out')
export const bootstrap = (): Promise<Bootstrap> => request('GET', '/api/bootstrap')

export const readSettings = (): Promise<SettingsAnswer> => request('GET', '/api/settings')
export const changeSettings = (change: Partial<Settings>): Promise<SettingsAnswer> =>
  request('PATCH', '/api/settings', { body: change })
/** What one chooses for oneself; null goes back to what holds for everybody. */
export const changePreferences = (change: Preferences): Promise<{ settings: Settings }> =>
  request('PATCH', '/api/preferences', { body: change })

export const providers = (): Promise<{ providers: Provider[] }> => request('GET', '/api/providers')
export interface ProviderBody {
  name?: string
  base_url?: string
  key?: string
  enabled?: boolean
  admin_key?: string
  timeouts?: Timeouts
}
export const addProvider = (body: ProviderBody): Promise<Provider> => request('POST', '/api/providers', { body })
export const changeProvider = (id: string, body: ProviderBody): Promise<Provider> =>
  request('PATCH', `/api/providers/${part(id)}`, { body })
export const deleteProvider = (id: string): Promise<void> => request('DELETE', `/api/providers/${part(id)}`)
export const testProvider = (id: string): Promise<ProviderTest> =>
  request('POST', `/api/providers/${part(id)}/test`)
export const testAddress = (body: { base_url: string; key?: string }): Promise<ProviderTest> =>
  request('POST', '/api/providers/test', { body })
export const models = (refresh = false): Promise<{ models: Model[] }> =>
  request('GET', refresh ? '/api/models?refresh=1' : '/api/models')

export const rooms = (cursor: string | null, limit = ROOMS_PAGE_SIZE): Promise<RoomPage> =>
  request('GET', `/api/rooms?limit=${limit}${cursor === null ? '' : `&cursor=${part(cursor)}`}`)
export const room = (id: string, signal?: AbortSignal, limit = PAGE_SIZE): Promise<RoomAnswer> =>
  request('GET', `/api/rooms/${part(id)}?limit=${limit}`, signal === undefined ? {} : { signal })
export const olderMessages = (id: string, before: string): Promise<{ messages: Message[]; older: string | null }> =>
  request('GET', `/api/rooms/${part(id)}/messages?before=${part(before)}&limit=${PAGE_SIZE}`)
export const changeRoom = (id: string, change: RoomPatch): Promise<Room> =>
  request('PATCH', `/api/rooms/${part(id)}`, { body: change })
export const deleteRoom = (id: string): Promise<void> => request('DELETE', `/api/rooms/${part(id)}`)

export const ask = (body: AskBody): Promise<AskAnswer> => request('POST', '/api/ask', { body })
export const answerAgain = (questionId: string, clientId: string): Promise<AskAnswer> =>
  request('POST', `/api/messages/${part(questionId)}/answer`, { body: { client_id: clientId } })
export const stopRun = (runId: string, mode: StopMode): Promise<void> =>
  request('POST', `/api/runs/${part(runId)}/stop`, { body: { mode } })
export const preview = (body: PreviewBody, signal: AbortSignal): Promise<Preview> =>
  request('POST', '/api/preview', { body, signal })

export const receipt = (entryId: string, signal: AbortSignal): Promise<Receipt> =>
  request('GET', `/api/entries/${part(entryId)}/receipt`, { signal })

export const attachmentUrl = (id: string): string => `/api/attachments/${part(id)}`

export const prices = (model: string | null): Promise<PriceAnswer> =>
  request('GET', model === null ? '/api/prices' : `/api/prices?model=${part(model)}`)
export interface PriceBody {
  model: string
  unit: string
  usd_per_million: string
  effective_from: number
}
export const addPrice = (body: PriceBody): Promise<PriceRow> => request('POST', '/api/prices', { body })
export const deletePrice = (id: string): Promise<void> => request('DELETE', `/api/prices/${part(id)}`)
