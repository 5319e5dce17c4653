import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Room } from '../../src/api/types'
import { groupRooms } from '../../src/rooms/group'
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
