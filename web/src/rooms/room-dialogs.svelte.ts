import type { Room } from '../api/types'

type Asked = { kind: 'rename' | 'delete'; room: Room } | null

let asked = $state.raw<Asked>(null)

export const dialogAsked = (): Asked => asked

/** Rooms are renamed and deleted from the list and from the header; one dialog serves both. */
export function askDialog(kind: 'rename' | 'delete', room: Room): void {
  asked = { kind, room }
}

export function closeDialog(): void {
  asked = null
}
