import { lastImport, uploadImport, type Import, type ImportFormat } from '../api/imports'
import { ApiError } from '../api/errors'
import { explain } from '../i18n/index.svelte'
import { rooms } from '../rooms/rooms.svelte'

const ASK_AGAIN = 400 // ms

/** The person's import: it goes on when the page is closed, and the page finds it again. */
class Importing {
  last = $state.raw<Import | null>(null)
  /** The share of the file that is sent; null while none is. */
  sent = $state<number | null>(null)
  problem = $state<string | null>(null)

  private watching = false

  readonly busy = $derived(this.sent !== null || (this.last !== null && isUnderWay(this.last)))

  /** Finds an import that another tab or an earlier page has begun. */
  async find(): Promise<void> {
    if (this.busy) return
    try {
      const found = (await lastImport()).import
      if (this.busy) return // a file has been chosen meanwhile
      this.last = found
      void this.watch()
    } catch (error) {
      this.problem = explain(error)
    }
  }

  async send(format: ImportFormat, file: File): Promise<void> {
    this.problem = null
    this.last = null
    this.sent = 0
    try {
      const { limit } = await lastImport()
      if (file.size > limit) throw new ApiError(413, tooLarge(limit))
      this.last = await uploadImport(format, file, (share) => (this.sent = share))
      void this.watch()
    } catch (error) {
      this.problem = explain(error)
    } finally {
      this.sent = null
    }
  }

  private async watch(): Promise<void> {
    if (this.watching) return
    this.watching = true
    try {
      while (this.last !== null && isUnderWay(this.last)) {
        await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN))
        const before = this.last
        this.last = (await lastImport()).import ?? before
        if (!isUnderWay(this.last)) await rooms.load()
      }
    } catch (error) {
      this.problem = explain(error)
      this.last = null
    } finally {
      this.watching = false
    }
  }
}

export function isUnderWay(each: Import): boolean {
  return each.state !== 'finished' && each.state !== 'failed'
}

function tooLarge(limit: number): Record<string, unknown> {
  const bytes = limit.toLocaleString('en')
  return {
    message: `The file is larger than ${bytes} bytes. Use talkmeter import on the command line.`,
    message_ko: `파일이 ${bytes}바이트보다 큽니다. 명령줄에서 talkmeter import를 사용하십시오.`,
  }
}

export const importing = new Importing()
