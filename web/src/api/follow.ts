import { refused } from './client'
import { ApiError } from './errors'
import { EventStreamParser } from './sse'
import type { RunEvent } from './types'

/** The server writes at least a comment every 15 s; a line silent for longer is dead. */
const SILENCE_MS = 40_000
const BACKOFF_MS = [300, 800, 2_000, 4_000, 8_000, 15_000]

export interface FollowOptions {
  runId: string
  /** Replay events after this seq; 0 replays the whole answer. */
  after?: number
  signal: AbortSignal
  onEvent: (event: RunEvent) => void
  /** The line was lost (true) or is back (false). */
  onOffline?: (offline: boolean) => void
  /** Resolves when it is time to try again. Replaced in tests. */
  pause?: (attempt: number, signal: AbortSignal) => Promise<void>
}

const ENDS: ReadonlySet<string> = new Set(['finished', 'stopped', 'failed', 'interrupted'])

export function isEnd(event: RunEvent): event is Extract<RunEvent, { type: 'finished' | 'stopped' | 'failed' | 'interrupted' }> {
  return ENDS.has(event.type)
}

/**
 * Follow one run from any seq until its end event, however often the line is lost in between.
 * Throws ApiError when the server refuses for good (4xx); returns quietly when cancelled.
 */
export async function followRun(options: FollowOptions): Promise<void> {
  const pause = options.pause ?? waitToRetry
  let after = options.after ?? 0
  let failures = 0
  while (!options.signal.aborted) {
    try {
      const ended = await readOnce(options, after, (seq) => {
        after = seq
        failures = 0
        options.onOffline?.(false)
      })
      if (ended) return
    } catch (error) {
      if (options.signal.aborted) return
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error
    }
    failures += 1
    if (failures > 1) options.onOffline?.(true)
    await pause(failures - 1, options.signal)
  }
}

async function readOnce(options: FollowOptions, after: number, seen: (seq: number) => void): Promise<boolean> {
  const line = new AbortController()
  const cancel = (): void => line.abort()
  options.signal.addEventListener('abort', cancel)
  let watchdog = setTimeout(cancel, SILENCE_MS)
  try {
    const response = await fetch(`/api/runs/${encodeURIComponent(options.runId)}/events?after=${after}`, {
      headers: { Accept: 'text/event-stream' },
      credentials: 'same-origin',
      cache: 'no-store',
      signal: line.signal,
    })
    if (!response.ok || response.body === null) throw await refused(response)
    const reader = response.body.getReader()
    const decoder = new TextDecoder()
    const parser = new EventStreamParser()
    for (;;) {
      const { done, value } = await reader.read()
      clearTimeout(watchdog)
      if (done) return false
      watchdog = setTimeout(cancel, SILENCE_MS)
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        const run = { type: event.type, data: JSON.parse(event.data) as unknown } as RunEvent
        if (event.id !== null) seen(Number(event.id))
        options.onEvent(run)
        if (isEnd(run)) return true
      }
    }
  } finally {
    clearTimeout(watchdog)
    options.signal.removeEventListener('abort', cancel)
    line.abort()
  }
}

/** Wait longer after each failure, but no longer than until the network says it is back. */
function waitToRetry(attempt: number, signal: AbortSignal): Promise<void> {
  const base = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)] ?? 15_000
  const delay = base * (0.75 + Math.random() / 2)
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, delay)
    addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}
