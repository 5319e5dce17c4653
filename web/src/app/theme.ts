import type { Theme } from '../api/types'

/** Also read by public/assets/theme.js, which sets the theme before the first paint. */
const STORED = 'talkmeter.theme'

export function applyTheme(theme: Theme): void {
  localStorage.setItem(STORED, theme)
  if (theme === 'auto') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme
}
