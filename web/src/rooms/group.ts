import type { Room } from '../api/types'

export type GroupName = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'older'

export type Row = { kind: 'heading'; group: GroupName } | { kind: 'room'; room: Room }

const DAY_MS = 86_400_000

/** Rooms as the sidebar lists them: pinned ones first, then by the day they were last used. */
export function groupRooms(rooms: readonly Room[], now: Date): Row[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime()
  const rows: Row[] = []
  let current: GroupName | null = null
  for (const room of [...rooms].sort(byPlace)) {
    const group = room.pinned ? 'pinned' : dayGroup(room.last_used_at / 1000, midnight)
    if (group !== current) rows.push({ kind: 'heading', group })
    current = group
    rows.push({ kind: 'room', room })
  }
  return rows
}

export function byPlace(a: Room, b: Room): number {
  if (a.pinned !== b.pinned) return a.pinned ? -1 : 1
  return b.last_used_at - a.last_used_at
}

function dayGroup(usedMs: number, midnight: number): GroupName {
  if (usedMs >= midnight) return 'today'
  if (usedMs >= midnight - DAY_MS) return 'yesterday'
  if (usedMs >= midnight - 7 * DAY_MS) return 'week'
  if (usedMs >= midnight - 30 * DAY_MS) return 'month'
  return 'older'
}
