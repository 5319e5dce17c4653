import { expect, test } from 'vitest'
import { nextStick } from '../../src/chat/stick'

test('at the end the view sticks', () => {
  expect(nextStick({ top: 0, stuck: false }, { top: 960, height: 2000, view: 1000 }).stuck).toBe(true)
})

test('text growing below does not let go', () => {
  expect(nextStick({ top: 1000, stuck: true }, { top: 1000, height: 3000, view: 1000 }).stuck).toBe(true)
})

test('scrolling up lets go, scrolling down in the middle does not catch', () => {
  const up = nextStick({ top: 1000, stuck: true }, { top: 700, height: 2000, view: 1000 })
  expect(up.stuck).toBe(false)
  expect(nextStick(up, { top: 800, height: 2000, view: 1000 }).stuck).toBe(false)
})
