import { isAbort } from '../api/errors'
import type { Attachment, Limits } from '../api/types'
import { uploadImage } from '../api/upload'
import { explain, t } from '../i18n/index.svelte'
import { bytes } from '../i18n/figures'

export const IMAGE_TYPES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif']

export interface Upload {
  key: number
  name: string
  /** A blob: address of the picture on this machine; null for what is none. */
  picture: string | null
  share: number
  error: string | null
  cancel: () => void
}

/** Images on their way to the server. Finished ones move on to the draft. */
export class Uploads {
  list = $state.raw<Upload[]>([])
  private next = 1
  /** Settled when every image before the newest one has arrived or failed. */
  private turn: Promise<void> = Promise.resolve()

  get busy(): boolean {
    return this.list.some((upload) => upload.error === null)
  }

  add(files: Iterable<File>, attached: number, limits: Limits, done: (attachment: Attachment) => void): void {
    let count = attached + this.list.filter((upload) => upload.error === null).length
    for (const file of files) {
      const refusal = refuse(file, count, limits)
      if (refusal === null) count += 1
      void this.send(file, refusal, done)
    }
  }

  remove(key: number): void {
    const upload = this.list.find((other) => other.key === key)
    if (upload === undefined) return
    upload.cancel()
    if (upload.picture !== null) URL.revokeObjectURL(upload.picture)
    this.list = this.list.filter((other) => other.key !== key)
  }

  /** The browser cannot show it either. */
  noPicture(key: number): void {
    this.patch(key, { picture: null })
  }

  /** What was refused goes with the message that was sent without it. */
  forgetRefused(): void {
    for (const upload of this.list) if (upload.error !== null) this.remove(upload.key)
  }

  clear(): void {
    for (const upload of this.list) this.remove(upload.key)
  }

  private async send(file: File, refusal: string | null, done: (attachment: Attachment) => void): Promise<void> {
    const line = new AbortController()
    const key = this.next++
    const picture = IMAGE_TYPES.includes(file.type) ? URL.createObjectURL(file) : null
    const cancel = (): void => line.abort()
    this.list = [...this.list, { key, name: file.name, picture, share: 0, error: refusal, cancel }]
    if (refusal !== null) return
    const before = this.turn
    const { promise, resolve } = withResolver()
    this.turn = promise
    try {
      const attachment = await uploadImage(file, (share) => this.patch(key, { share }), line.signal)
      await before // they are shown and sent in the order they were given, whichever arrives first
      if (line.signal.aborted) return
      this.remove(key)
      done(attachment)
    } catch (error) {
      if (!isAbort(error)) this.patch(key, { error: explain(error) })
    } finally {
      await before
      resolve()
    }
  }

  private patch(key: number, change: Partial<Upload>): void {
    this.list = this.list.map((upload) => (upload.key === key ? { ...upload, ...change } : upload))
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}

function refuse(file: File, count: number, limits: Limits): string | null {
  if (!IMAGE_TYPES.includes(file.type)) return t('upload_not_image')
  if (file.size > limits.upload_bytes) return t('upload_too_large', { limit: bytes(limits.upload_bytes) })
  if (count >= limits.images_per_message) return t('upload_too_many', { n: limits.images_per_message })
  return null
}
