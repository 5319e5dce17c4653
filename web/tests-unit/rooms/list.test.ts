import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import type { Room } from '../../src/api/types'
import { byPlace, groupRooms } from '../../src/rooms/group'
import { differs, takeNewest } from '../../src/rooms/newest'
import { rooms } from '../../src/rooms/rooms.svelte'
import { visibleRows } from '../../src/rooms/window'

const now = new Date(2026, 10, 20, 9, 30)
const room = (id: string, used: Date, pinned = false): Room => ({ id, pinned, last_used_at: used.getTime() * 1000 }) as Room

describe('groupRooms', () => {
  test('pinned first, then by the day of last use', () => {
    const rows = groupRooms(
      [
        room('old', new Date(2026, 1, 1)),
        room('week', new Date(2026, 10, 15)),
        room('late yesterday', new Date(2026, 10, 19, 23, 59)),
        room('this morning', new Date(2026, 10, 20, 0, 0)),
        room('pinned old', new Date(2025, 1, 1), true),
        room('month', new Date(2026, 9, 25)),
      ],
      now,
    )
    expect(rows.map((row) => (row.kind === 'heading' ? `# ${row.group}` : row.room.id))).toEqual([
      '# pinned', 'pinned old', '# today', 'this morning', '# yesterday', 'late yesterday',
      '# week', 'week', '# month', 'month', '# older', 'old',
    ])
  })

  test('no rooms, no headings', () => {
    expect(groupRooms([], now)).toEqual([])
  })
})

describe('visibleRows', () => {
  test('covers what is in view, whatever the place', () => {
    fc.assert(
      fc.property(fc.integer({ min: -50, max: 200_000 }), fc.integer({ min: 0, max: 2000 }), fc.nat(5000), (top, view, count) => {
        const { first, end } = visibleRows(top, view, 36, count)
        expect(first).toBeGreaterThanOrEqual(0)
        expect(end).toBeLessThanOrEqual(count)
        expect(first).toBeLessThanOrEqual(end)
        for (let row = 0; row < count; row += 97) {
          const inView = (row + 1) * 36 > top && row * 36 < top + view
          if (inView) expect(row >= first && row < end).toBe(true)
        }
        expect(end - first).toBeLessThanOrEqual(Math.ceil(view / 36) + 18)
      }),
    )
  })
})

/** So many rooms, the newest first. */
const many = (count: number): Room[] => Array.from({ length: count }, (_, n) => room(`r${n}`, new Date(2026, 0, 1, 0, -n)))
const ids = (list: readonly Room[]): string[] => list.map(({ id }) => id)

describe('takeNewest', () => {
  const list = many(120)

  test('what stood among the newest and is not there any more is gone', () => {
    const newest = list.slice(0, 51).filter(({ id }) => id !== 'r20')
    expect(ids(takeNewest(list, newest, false, new Set(list)))).toEqual(ids(list).filter((id) => id !== 'r20'))
  })

  test('what came while the answer was on its way stays', () => {
    const fresh = room('new', new Date(2026, 0, 2))
    expect(ids(takeNewest([fresh, ...list], list.slice(0, 50), false, new Set(list)))).toEqual(['new', ...ids(list)])
  })

  test('all there are are all that are listed', () => {
    expect(ids(takeNewest(list, list.slice(0, 3), true, new Set(list)))).toEqual(['r0', 'r1', 'r2'])
  })
})

test('a room that is deleted elsewhere leaves the list, wherever it stands', async () => {
  let there = many(120)
  const asked: string[] = []
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path)
    const query = new URL(path, 'http://x').searchParams
    const start = Number(query.get('cursor') ?? 0)
    const end = start + Number(query.get('limit'))
    const body = { rooms: there.sort(byPlace).slice(start, end), next: end < there.length ? String(end) : null, total: there.length }
    return Promise.resolve(new Response(JSON.stringify(body)))
  })
  await rooms.load()
  for (const gone of ['r10', 'r80']) {
    there = there.filter(({ id }) => id !== gone)
    await rooms.refresh()
    expect(ids(rooms.list)).toEqual(ids(there))
    expect(rooms.total).toBe(there.length)
  }
  const before = asked.length
  await rooms.refresh()
  expect(asked.length).toBe(before + 1) // nothing has changed: the newest rooms are all that is asked for
  vi.unstubAllGlobals()
})

test('another title is news, another object is not', () => {
  const one = room('a', now)
  expect(differs(one, { ...one })).toBe(false)
  expect(differs(one, { ...one, title: 'other' })).toBe(true)
})
