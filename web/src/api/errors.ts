/** What went wrong with a request, in both languages where the server said so. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly messageKo: string | null
  readonly hint: string | null
  readonly hintKo: string | null
  readonly details: Record<string, unknown>

  constructor(status: number, body: Record<string, unknown>) {
    super(text(body['message']) ?? `HTTP ${status}`)
    this.name = 'ApiError'
    this.status = status
    this.code = text(body['code']) ?? (status === 0 ? 'network' : `http_${status}`)
    this.messageKo = text(body['message_ko'])
    this.hint = text(body['hint'])
    this.hintKo = text(body['hint_ko'])
    this.details = body
  }

  /** True when no answer came at all, so nobody knows whether the request arrived. */
  get unanswered(): boolean {
    return this.status === 0
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
