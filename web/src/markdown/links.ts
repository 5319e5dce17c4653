import type { MarkdownIt } from 'markdown-it'

const SAFE_LINK = /^(?:https?:\/\/|mailto:)/i
const SAFE_DATA_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,/i
const HANGUL_TAIL = /^([\x21-\x7e]*[A-Za-z0-9)])[\uac00-\ud7a3]+$/

export const isSafeLink = (url: string): boolean => SAFE_LINK.test(url)
export const isInlineImage = (url: string): boolean => SAFE_DATA_IMAGE.test(url)

/** Host of an absolute URL without "www."; empty where there is none. */
export function hostOf(url: string): string {
  if (!URL.canParse(url)) return ''
  return new URL(url).host.replace(/^www\./, '')
}

/** Whether `text` already tells the reader that a link goes to `host`, as a whole name. */
export function showsHost(text: string, host: string): boolean {
  const lower = text.toLowerCase()
  for (let at = lower.indexOf(host); at >= 0; at = lower.indexOf(host, at + 1)) {
    const before = lower.slice(0, at).replace(/www\.$/, '').at(-1) ?? ' '
    const after = lower.slice(at + host.length)
    // A dot after the name ends a sentence; a dot and a letter make it another name.
    if (!/[a-z0-9.-]/.test(before) && !/^(?:[a-z0-9-]|\.[a-z0-9])/.test(after)) return true
  }
  return false
}

/** Cuts a Korean particle off the end of a bare address: "https://a.kr/b에서" links "https://a.kr/b". */
export function withoutParticle(url: string): string {
  return HANGUL_TAIL.exec(url)?.[1] ?? url
}

/** Lets only http, https, mailto and small inline images through, and links bare addresses. */
export function linkPlugin(md: MarkdownIt): void {
  md.validateLink = (url) => isSafeLink(url) || isInlineImage(url)
  // "main.py" and "README.md" are file names, not hosts.
  md.linkify.set({ fuzzyLink: false })
  const { match, matchAtStart } = md.linkify
  type Match = NonNullable<ReturnType<typeof matchAtStart>>
  const trimmed = (link: Match): Match => {
    const text = withoutParticle(link.text)
    const cut = link.text.length - text.length
    if (cut === 0) return link
    link.text = text
    link.raw = link.raw.slice(0, -cut)
    link.url = link.url.slice(0, -cut)
    link.lastIndex -= cut
    return link
  }
  md.linkify.match = (text: string) => match.call(md.linkify, text)?.map(trimmed) ?? null
  md.linkify.matchAtStart = (text: string) => {
    const link = matchAtStart.call(md.linkify, text)
    return link === null ? null : trimmed(link)
  }
}
