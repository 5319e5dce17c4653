import { afterEach, describe, expect, test, vi } from 'vitest'
import { followRun } from '../../src/api/follow'
import type { RunEvent } from '../../src/api/types'

const delta = (seq: number, offset: number, text: string): string => `id: ${seq}\nevent: delta\ndata: ${JSON.stringify({ offset, text })}\n\n`
const end = (seq: number): string => `id: ${seq}\nevent: finished\ndata: {"answer":{}}\n\n`

/** A server that answers each connection with the next body; null refuses the connection. */
function serve(...answers: (string | Response | null)[]): string[] {
  const asked: string[] = []
  vi.stubGlobal('fetch', (address: string) => {
    asked.push(address)
    const answer = answers.shift() ?? null
    if (answer === null) return Promise.reject(new TypeError('refused'))
    return Promise.resolve(typeof answer === 'string' ? new Response(answer) : answer)
  })
  return asked
}

async function follow(): Promise<{ events: RunEvent[]; offline: boolean[] }> {
  const events: RunEvent[] = []
  const offline: boolean[] = []
  await followRun({
    runId: 'run',
    signal: new AbortController().signal,
    onEvent: (event) => events.push(event),
    onOffline: (state) => offline.push(state),
    pause: () => Promise.resolve(),
  })
  return { events, offline }
}

afterEach(() => vi.unstubAllGlobals())

describe('followRun', () => {
  test('reads to the end event', async () => {
    serve(delta(1, 0, 'a') + end(2))
    expect((await follow()).events.map((event) => event.type)).toEqual(['delta', 'finished'])
  })

  test('takes a lost line up again after the last seq it saw', async () => {
    const asked = serve(delta(1, 0, 'a') + delta(2, 1, 'b'), null, null, delta(3, 2, 'c') + end(4))
    const { events, offline } = await follow()
    expect(asked.map((address) => new URL(address, 'http://x').searchParams.get('after'))).toEqual(['0', '2', '2', '2'])
    expect(events.map((event) => (event.type === 'delta' ? event.data.text : event.type))).toEqual(['a', 'b', 'c', 'finished'])
    expect(offline).toContain(true)
    expect(offline.at(-1)).toBe(false)
  })

  test('an event cut in the middle is not told twice', async () => {
    serve(delta(1, 0, 'a') + delta(2, 1, 'b').slice(0, 20), delta(2, 1, 'b') + end(3))
    expect((await follow()).events.map((event) => event.type)).toEqual(['delta', 'delta', 'finished'])
  })

  test('a server that fails is asked again, one that refuses is not', async () => {
    serve(new Response('', { status: 503 }), end(1))
    expect((await follow()).events).toHaveLength(1)
    serve(new Response('{"error":{"code":"run_not_found","message":"gone"}}', { status: 404 }))
    await expect(follow()).rejects.toMatchObject({ code: 'run_not_found', status: 404 })
  })
})
