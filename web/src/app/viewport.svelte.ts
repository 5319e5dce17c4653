/** Below this the sidebar is a drawer over the page. */
const NARROW = matchMedia('(max-width: 799.98px)')
/** Below this the receipt covers the page instead of standing beside it. */
const MEDIUM = matchMedia('(max-width: 1179.98px)')
const STORED = 'talkmeter.sidebar'

class Viewport {
  narrow = $state(NARROW.matches)
  medium = $state(MEDIUM.matches)
  /** Whether the list of rooms is open; a drawer starts closed. */
  sidebar = $state(!NARROW.matches && localStorage.getItem(STORED) !== 'closed')

  constructor() {
    NARROW.addEventListener('change', () => {
      this.narrow = NARROW.matches
      this.sidebar = !NARROW.matches && localStorage.getItem(STORED) !== 'closed'
    })
    MEDIUM.addEventListener('change', () => (this.medium = MEDIUM.matches))
  }

  toggleSidebar(open = !this.sidebar): void {
    this.sidebar = open
    if (!this.narrow) localStorage.setItem(STORED, open ? 'open' : 'closed')
  }

  /** After choosing a room on a small screen the room itself is wanted. */
  leaveDrawer(): void {
    if (this.narrow) this.sidebar = false
  }
}

export const viewport = new Viewport()
