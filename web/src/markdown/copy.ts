/**
 * Puts `text` on the clipboard and says whether that worked. Browsers offer the
 * clipboard API on https and loopback only; elsewhere a selection is copied,
 * made beside `near` so that it also works inside a modal dialog.
 */
export async function copyText(text: string, near: HTMLElement): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(text)
      return true
    } catch {
      // Refused by a permission: the selection may still be allowed.
    }
  }
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'copy-source'
  field.setAttribute('aria-hidden', 'true')
  near.after(field)
  field.select()
  const done = document.execCommand('copy')
  field.remove()
  near.focus()
  return done
}
