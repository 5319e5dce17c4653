import { describe, expect, test } from 'vitest'
import { EnterGuard, type KeyPress } from '../../src/chat/ime'

const key = (change: Partial<KeyPress> = {}): KeyPress => ({
  key: 'Enter', code: 'Enter', keyCode: 13, isComposing: false,
  shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...change,
})
const composingEnter = key({ keyCode: 229, isComposing: true })

/** Plays what a browser reports and counts how many messages would be sent. */
type Step = readonly ['start'] | readonly ['update', string] | readonly ['end', string] | readonly ['down', KeyPress] | readonly ['up', KeyPress]

function play(...steps: Step[]): number {
  const guard = new EnterGuard()
  let sent = 0
  for (const step of steps) {
    if (step[0] === 'start') guard.compositionStart()
    else if (step[0] === 'update') guard.compositionUpdate(step[1])
    else if (step[0] === 'end') sent += guard.compositionEnd(step[1]) ? 1 : 0
    else if (step[0] === 'down') sent += guard.keyDown(step[1]) === 'send' ? 1 : 0
    else guard.keyUp(step[1])
  }
  return sent
}

describe('one Enter sends one message', () => {
  test('without any composition', () => {
    expect(play(['down', key()], ['up', key()])).toBe(1)
    expect(play(['down', key()], ['down', key({ repeat: true })], ['up', key()])).toBe(1)
  })

  test('Chromium, Hangul: Enter ends the composition', () => {
    expect(play(['start'], ['update', '요'], ['down', composingEnter], ['end', '요'], ['up', key()])).toBe(1)
  })

  test('Chromium on macOS, Hangul: the same press is told again as a plain Enter', () => {
    expect(play(['start'], ['update', '요'], ['down', composingEnter], ['end', '요'], ['down', key()], ['up', key()])).toBe(1)
  })

  test('Linux: the key has no name while composing', () => {
    const nameless = key({ key: 'Unidentified', keyCode: 229, isComposing: true })
    expect(play(['start'], ['update', '요'], ['down', nameless], ['end', '요'], ['down', key()], ['up', key()])).toBe(1)
  })

  test('Safari, Hangul: the composition ends before the key is told', () => {
    expect(play(['start'], ['update', '요'], ['end', '요'], ['down', key({ keyCode: 229 })], ['up', key()])).toBe(1)
  })

  test('the input method commits first and hands the key on', () => {
    expect(play(['start'], ['update', '요'], ['end', '요'], ['down', key()], ['up', key()])).toBe(1)
  })

  test('the next Enter sends again', () => {
    const once = [['start'], ['update', '요'], ['down', composingEnter], ['end', '요'], ['down', key()], ['up', key()]] as const
    expect(play(...once, ['down', key()], ['up', key()])).toBe(2)
    expect(play(...once, ...once)).toBe(2)
  })
})

describe('Enter does not send', () => {
  test('with Shift, composing or not', () => {
    expect(play(['down', key({ shiftKey: true })], ['up', key()])).toBe(0)
    expect(play(['start'], ['update', '요'], ['down', key({ keyCode: 229, isComposing: true, shiftKey: true })], ['end', '요'])).toBe(0)
  })

  test('where it chooses a candidate: kana and Pinyin', () => {
    expect(play(['start'], ['update', 'かんじ'], ['down', composingEnter], ['end', '漢字'], ['up', key()])).toBe(0)
    expect(play(['start'], ['update', 'nihao'], ['down', composingEnter], ['end', '你好'], ['up', key()])).toBe(0)
    expect(play(['start'], ['update', 'かな'], ['end', 'かな'], ['down', key({ keyCode: 229 })], ['up', key()])).toBe(0)
  })

  test('when another key followed before the composition ended', () => {
    const backspace = key({ key: 'Backspace', code: 'Backspace', keyCode: 229, isComposing: true })
    expect(play(['start'], ['update', '요'], ['down', composingEnter], ['down', backspace], ['end', ''])).toBe(0)
  })
})

test('the echo of a press is kept out of the field, a later line break is not', () => {
  const guard = new EnterGuard()
  guard.compositionStart()
  guard.compositionUpdate('요')
  guard.keyDown(composingEnter)
  guard.compositionEnd('요')
  expect(guard.beforeInput('insertLineBreak')).toBe('prevent')
  expect(guard.keyDown(key())).toBe('prevent')
  guard.keyUp(key())
  expect(guard.beforeInput('insertLineBreak')).toBe('pass')
  expect(guard.keyDown(key({ shiftKey: true }))).toBe('pass')
})

test('a press that comes up elsewhere does not eat the next one', () => {
  const guard = new EnterGuard()
  guard.compositionStart()
  guard.compositionUpdate('요')
  guard.keyDown(composingEnter)
  guard.compositionEnd('요')
  guard.blur()
  expect(guard.keyDown(key())).toBe('send')
})
