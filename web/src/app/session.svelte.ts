import { whenSignedOut } from '../api/client'
import * as api from '../api/routes'
import type { Bootstrap, Limits, Model, Preferences, Provider, Role, Settings } from '../api/types'
import { draftsBelongTo, draftsOwner, forgetDrafts } from '../chat/draft.svelte'
import { locale, speak } from '../i18n/index.svelte'
import { DOLLARS, type Display } from '../i18n/money'
import { listen, tell } from './channel'
import { applyTheme } from './theme'

type Stage = 'starting' | 'signed-out' | 'ready' | 'unreachable'

/** Who is at the page and what holds for all of it. */
class Session {
  stage = $state<Stage>('starting')
  passwordSet = $state(false)
  /** More than one person may sign in, so a name is needed. */
  severalUsers = $state(false)
  userId = $state('')
  name = $state('')
  role = $state<Role>('member')
  version = $state('')
  simulator = $state(false)
  settings = $state.raw<Settings>()
  providers = $state.raw<Provider[]>([])
  models = $state.raw<Model[]>([])
  limits = $state.raw<Limits>({ upload_bytes: 0, upload_pixels: 0, images_per_message: 0, text_bytes: 0 })

  /** Owners look after everything; members have rooms, keys and calls of their own. */
  get owner(): boolean {
    return this.role === 'owner'
  }

  private modelsAsked: Promise<void> | null = null

  async start(): Promise<void> {
    whenSignedOut(() => void this.lostSession())
    try {
      const { signed_in, password_set, several_users, version } = await api.session()
      this.passwordSet = password_set
      this.severalUsers = several_users
      this.version = version
      if (!signed_in) {
        this.stage = 'signed-out'
        return
      }
      await this.adopt(await api.bootstrap())
      // Not of somebody whose page is only now being made: the other tabs would take them for nobody.
      if (this.userId !== '') tell({ about: 'signed-in', principal: this.userId })
    } catch {
      if (this.stage !== 'signed-out') this.stage = 'unreachable'
    }
  }

  /** Heed who signs in and out in the other tabs of this browser. Returns the way to stop it. */
  heed(): () => void {
    return listen((news) => {
      if (news.about === 'signed-out') this.leave()
      else if (news.about === 'signed-in' && this.userId !== '' && news.principal !== this.userId) this.leave()
    })
  }

  async adopt(bootstrap: Bootstrap): Promise<void> {
    const before = this.userId === '' ? draftsOwner() : this.userId
    if (before !== null && before !== bootstrap.principal) {
      this.leave()
      return
    }
    draftsBelongTo(bootstrap.principal)
    this.version = bootstrap.version
    this.userId = bootstrap.principal
    this.name = bootstrap.name
    this.role = bootstrap.role
    this.simulator = bootstrap.simulator
    this.providers = bootstrap.providers
    this.limits = bootstrap.limits
    await this.take(bootstrap.settings)
    this.stage = 'ready'
  }

  async take(settings: Settings): Promise<void> {
    this.settings = settings
    applyTheme(settings.theme)
    await speak(settings.language)
  }

  async change(change: Partial<Settings>): Promise<void> {
    await this.take((await api.changeSettings(change)).settings)
    tell({ about: 'settings' })
  }

  /** Language and theme, for oneself alone. */
  async prefer(change: Preferences): Promise<void> {
    await this.take((await api.changePreferences(change)).settings)
    tell({ about: 'settings' })
  }

  /** Settings or providers changed here or in another tab. */
  async reread(): Promise<void> {
    await this.adopt(await api.bootstrap())
    await this.loadModels(false, true)
  }

  /** The models the providers offer; asked for once, again on request. */
  loadModels(refresh = false, again = refresh): Promise<void> {
    if (this.modelsAsked === null || again) {
      this.modelsAsked = api.models(refresh).then(
        ({ models }) => {
          this.models = models
        },
        () => {
          this.modelsAsked = null
        },
      )
    }
    return this.modelsAsked
  }

  async signOut(): Promise<void> {
    await api.signOut()
    tell({ about: 'signed-out' })
    this.leave()
  }

  /** What this tab remembers is one person's. Only a new page surely knows none of it. */
  private leave(): void {
    this.stage = 'starting'
    forgetDrafts()
    location.assign('/')
  }

  /** Who was here may sign in again and go on; for anybody else the page begins anew. */
  private async lostSession(): Promise<void> {
    if (this.stage === 'signed-out') return
    this.stage = 'signed-out'
    const state = await api.session().catch(() => null)
    if (state === null) return
    this.passwordSet = state.password_set
    this.severalUsers = state.several_users
  }
}

export const session = new Session()

/** The settings once signed in; views below the shell may rely on them. */
export function settings(): Settings {
  if (session.settings === undefined) throw new Error('The settings are not loaded yet')
  return session.settings
}

/** How money reads here: currency, the person's own rate, language. In dollars where nobody has given a rate. */
export function display(): Display {
  const { currency, currency_rate } = settings()
  return currency_rate === null ? DOLLARS(locale()) : { currency, rate: currency_rate, locale: locale() }
}
