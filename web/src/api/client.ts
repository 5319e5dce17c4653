import { ApiError, isAbort } from './errors'

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'

export interface RequestOptions {
  body?: unknown
  signal?: AbortSignal
}

let onSignedOut: () => void = () => undefined

/** Called whenever the server no longer knows this browser (401). */
export function whenSignedOut(handler: () => void): void {
  onSignedOut = handler
}

const onAnswer = new Set<() => void>()

/** Called whenever an answer comes, whatever it says: the server is there. Returns the way to stop it. */
export function whenAnswered(handler: () => void): () => void {
  onAnswer.add(handler)
  return () => onAnswer.delete(handler)
}

/** Ask the server; resolves to its JSON (undefined for 204). Throws ApiError, or AbortError when cancelled. */
export async function request<T>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
  const init: RequestInit = { method, credentials: 'same-origin', headers: { Accept: 'application/json' } }
  if (method !== 'GET') {
    init.headers = { Accept: 'application/json', 'Content-Type': 'application/json' }
    init.body = JSON.stringify(options.body ?? {})
  }
  if (options.signal !== undefined) init.signal = options.signal
  const response = await fetch(path, init).catch((cause: unknown) => {
    if (isAbort(cause)) throw cause
    throw new ApiError(0, {})
  })
  for (const heard of onAnswer) heard()
  if (!response.ok) throw await refused(response)
  const text = await response.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

/** Turn a refusal into an ApiError; a 401 also tells the session. */
export async function refused(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null)
  const error = new ApiError(response.status, errorBody(body))
  if (response.status === 401 && error.code !== 'wrong_password') onSignedOut()
  return error
}

export function errorBody(body: unknown): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || !('error' in body)) return {}
  const inner = body.error
  return typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {}
}
