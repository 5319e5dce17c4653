import { notifyError } from '../app/notices.svelte'
import { session } from '../app/session.svelte'
import * as api from '../api/routes'
import type { Preferences, Settings } from '../api/types'

/** Which settings are fixed elsewhere (flag, environment, file) and cannot be changed on the page. */
class Locks {
  fixed = $state.raw<Record<string, string>>({})

  async load(): Promise<void> {
    try {
      const answer = await api.readSettings()
      this.fixed = answer.locked
      await session.take(answer.settings)
    } catch (error) {
      notifyError(error)
    }
  }

  where(name: keyof Settings): string | undefined {
    return this.fixed[name]
  }
}

export const locks = new Locks()

/** Store at once what one chooses for oneself. */
export async function prefer(change: Preferences): Promise<void> {
  try {
    await session.prefer(change)
  } catch (error) {
    notifyError(error)
  }
}

/** Store a change at once; a refusal is shown and what holds stays on the page. */
export async function save(change: Partial<Settings>): Promise<void> {
  try {
    await session.change(change)
  } catch (error) {
    notifyError(error)
  }
}
