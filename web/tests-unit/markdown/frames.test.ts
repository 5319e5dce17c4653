import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { FrameGate } from '../../src/markdown/frames'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['requestAnimationFrame', 'cancelAnimationFrame', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

test('the latest work runs, once per frame', () => {
  const done: number[] = []
  const gate = new FrameGate()
  for (const number of [1, 2, 3]) gate.request(() => done.push(number))
  expect(done).toEqual([])
  vi.advanceTimersToNextFrame()
  vi.advanceTimersToNextFrame()
  expect(done).toEqual([3])
})

test('costly work rests for a few frames, cheap work does not', () => {
  const gate = new FrameGate()
  let runs = 0
  gate.request(() => vi.advanceTimersByTime(20))
  vi.advanceTimersToNextFrame()
  gate.request(() => runs++)
  vi.advanceTimersToNextFrame()
  expect(runs).toBe(0)
  for (let frame = 0; frame < 6; frame++) vi.advanceTimersToNextFrame()
  expect(runs).toBe(1)
  gate.request(() => runs++)
  vi.advanceTimersToNextFrame()
  expect(runs).toBe(2)
})

test('cancelled work never runs', () => {
  const gate = new FrameGate()
  const work = vi.fn()
  gate.request(work)
  gate.cancel()
  vi.advanceTimersToNextFrame()
  expect(work).not.toHaveBeenCalled()
})
