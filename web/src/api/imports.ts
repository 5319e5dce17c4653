import { errorBody, request } from './client'
import { ApiError } from './errors'

export type ImportFormat = 'chatgpt' | 'easy-backend' | 'tokenmeter'
export const IMPORT_FORMATS: readonly ImportFormat[] = ['chatgpt', 'easy-backend', 'tokenmeter']

export const LEFT_OUT = [
  'tool',
  'reasoning',
  'hidden',
  'file',
  'image',
  'sound',
  'part',
  'figures',
  'api_key',
  'orphan',
  'id',
  'empty',
] as const
export type LeftOut = (typeof LEFT_OUT)[number]

export interface ImportNote {
  about: string
  why: string
  why_ko: string
}

export interface ImportReport {
  conversations: { new: number; grown: number; known: number; empty: number; unreadable: number }
  messages: number
  images: number
  left_out: Partial<Record<LeftOut, number>>
  unreadable: ImportNote[]
  images_left_out: ImportNote[]
}

/** `done` of `total`: how far its step is; `count`: conversations so far. */
export interface Import {
  id: string
  format: ImportFormat
  name: string
  state: 'uploading' | 'checking' | 'importing' | 'finished' | 'failed'
  done: number
  total: number
  count: number
  report: ImportReport | null
  error: Record<string, unknown> | null
}

export const lastImport = (): Promise<{ import: Import | null; limit: number }> => request('GET', '/api/imports')

/** Send one file; `onProgress` gets the share sent, 0…1. XMLHttpRequest, since fetch tells no upload progress. */
export function uploadImport(format: ImportFormat, file: File, onProgress: (share: number) => void): Promise<Import> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    xhr.open('POST', `/api/imports?format=${format}`)
    xhr.responseType = 'json'
    xhr.setRequestHeader('Content-Type', 'application/octet-stream')
    xhr.setRequestHeader('X-File-Name', encodeURIComponent(file.name))
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total)
    }
    xhr.onload = () => {
      if (xhr.status === 202) resolve(xhr.response as Import)
      else reject(new ApiError(xhr.status, errorBody(xhr.response)))
    }
    xhr.onerror = () => reject(new ApiError(0, {}))
    xhr.send(file)
  })
}
