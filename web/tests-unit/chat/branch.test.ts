import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/api/types'
import { mergePage, placeQuestion } from '../../src/chat/branch'

interface Placed {
  id: string
  message: Message
}

const message = (id: string, parent: string | null, text = ''): Message => ({ id, parent_id: parent, text }) as Message
const turn = (id: string, parent: string | null = null): Placed => ({ id, message: message(id, parent) })
const ids = (turns: readonly Placed[] | null): string[] | null => turns?.map((item) => item.id) ?? null

function merge(shown: Placed[], page: Message[]): { turns: Placed[]; keptOlder: boolean } {
  return mergePage(shown, page, (item) => ({ id: item.id, message: item }), (item, next) => void (item.message = next))
}

describe('mergePage', () => {
  test('keeps older messages that the page continues, and their very objects', () => {
    const shown = [turn('a'), turn('b'), turn('c')]
    const merged = merge(shown, [message('b', 'a', 'new'), message('c', 'b'), message('d', 'c')])
    expect(ids(merged.turns)).toEqual(['a', 'b', 'c', 'd'])
    expect(merged.turns[1]).toBe(shown[1])
    expect(merged.turns[1]?.message.text).toBe('new')
    expect(merged.keptOlder).toBe(true)
  })

  test('a page of another branch replaces everything', () => {
    const merged = merge([turn('a'), turn('b')], [message('x', null), message('y', 'x')])
    expect(ids(merged.turns)).toEqual(['x', 'y'])
    expect(merged.keptOlder).toBe(false)
  })

  test('an empty page empties the room', () => {
    expect(merge([turn('a')], []).turns).toEqual([])
  })
})

describe('placeQuestion', () => {
  const shown = [turn('q1'), turn('a1', 'q1'), turn('q2', 'a1'), turn('a2', 'q2')]

  test('a new question goes to the end', () => {
    expect(ids(placeQuestion(shown, turn('q3', 'a2'), turn('a3', 'q3')))).toEqual(['q1', 'a1', 'q2', 'a2', 'q3', 'a3'])
  })

  test('an edit takes the place of what followed the same parent', () => {
    expect(ids(placeQuestion(shown, turn('q2b', 'a1'), turn('x', 'q2b')))).toEqual(['q1', 'a1', 'q2b', 'x'])
    expect(ids(placeQuestion(shown, turn('q1b', null), turn('x', 'q1b')))).toEqual(['q1b', 'x'])
  })

  test('another answer takes the place of the first', () => {
    expect(ids(placeQuestion(shown, turn('q2', 'a1'), turn('a2b', 'q2')))).toEqual(['q1', 'a1', 'q2', 'a2b'])
  })

  test('a question whose place is not on the page cannot be placed', () => {
    expect(placeQuestion(shown, turn('q9', 'elsewhere'), turn('x', 'q9'))).toBeNull()
  })
})
