import { notifyError } from '../app/notices.svelte'
import { tell } from '../app/channel'
import * as api from '../api/routes'
import type { Room, RoomPatch } from '../api/types'
import { byPlace } from './group'
import { takeNewest } from './newest'

/** The list of rooms: loaded page by page as somebody scrolls, kept in order. */
class Rooms {
  list = $state.raw<Room[]>([])
  total = $state(0)
  stage = $state<'loading' | 'ready' | 'failed'>('loading')

  private next: string | null = null
  private loadingMore = false

  async load(): Promise<void> {
    this.stage = 'loading'
    try {
      const page = await api.rooms(null)
      this.list = page.rooms
      this.next = page.next
      this.total = page.total
      this.stage = 'ready'
    } catch {
      this.stage = 'failed'
    }
  }

  async loadMore(): Promise<void> {
    if (this.next === null || this.loadingMore) return
    this.loadingMore = true
    try {
      const page = await api.rooms(this.next)
      this.next = page.next
      this.total = page.total
      this.merge(page.rooms)
    } catch (error) {
      notifyError(error)
    } finally {
      this.loadingMore = false
    }
  }

  /** Ask for the newest rooms again; other tabs and other doors make rooms too. */
  async refresh(): Promise<void> {
    const asked = new Set(this.list)
    const page = await api.rooms(null, 50)
    const list = takeNewest(this.list, page.rooms, page.next === null, asked)
    const explained = list.length - this.list.length === page.total - this.total
    this.list = list
    this.total = page.total
    this.stage = 'ready'
    if (!explained && page.next !== null) await this.reload()
  }

  /** Rooms further down have gone or come: ask for as many again as are listed. */
  private async reload(): Promise<void> {
    const asked = new Set(this.list)
    const found: Room[] = []
    let next: string | null = null
    do {
      const page = await api.rooms(next)
      found.push(...page.rooms)
      next = page.next
      this.total = page.total
    } while (next !== null && found.length < asked.size)
    this.list = takeNewest(this.list, found, next === null, asked)
    this.next = next
  }

  find(id: string): Room | undefined {
    return this.list.find((room) => room.id === id)
  }

  put(room: Room): void {
    if (this.find(room.id) === undefined) this.total += 1
    this.merge([room])
  }

  async change(id: string, change: RoomPatch): Promise<Room> {
    const room = await api.changeRoom(id, change)
    this.put(room)
    tell({ about: 'room', id })
    return room
  }

  async delete(id: string): Promise<void> {
    await api.deleteRoom(id)
    this.forget(id)
    tell({ about: 'room-gone', id })
  }

  forget(id: string): void {
    if (this.find(id) === undefined) return
    this.list = this.list.filter((room) => room.id !== id)
    this.total -= 1
  }

  private merge(rooms: Room[]): void {
    const fresh = new Set(rooms.map((room) => room.id))
    this.list = this.list.filter((room) => !fresh.has(room.id)).concat(rooms).sort(byPlace)
  }
}

export const rooms = new Rooms()
