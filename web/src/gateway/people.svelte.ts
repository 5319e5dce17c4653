import * as api from '../api/gateway'
import type { ApiKey, User } from '../api/gateway'
import { session } from '../app/session.svelte'

/** Keys and users by name, for filters and forms; only owners know of other users. */
class People {
  keys = $state.raw<readonly ApiKey[]>([])
  users = $state.raw<readonly User[]>([])

  async load(): Promise<void> {
    const [{ keys }, { users }] = await Promise.all([
      api.keys(),
      session.owner ? api.users() : Promise.resolve({ users: [] }),
    ])
    this.keys = keys
    this.users = users
  }

  keyName(id: string): string {
    return this.keys.find((key) => key.id === id)?.name ?? id
  }

  userName(id: string): string {
    return this.users.find((user) => user.id === id)?.name ?? id
  }
}

export const people = new People()
