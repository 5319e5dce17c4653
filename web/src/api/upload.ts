import { errorBody } from './client'
import { ApiError } from './errors'
import type { Attachment } from './types'

/** Send one image's bytes; `onProgress` gets the share sent, 0…1. XMLHttpRequest, since fetch tells no upload progress. */
export function uploadImage(file: File, onProgress: (share: number) => void, signal: AbortSignal): Promise<Attachment> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    xhr.open('POST', '/api/attachments')
    xhr.responseType = 'json'
    xhr.setRequestHeader('Content-Type', file.type)
    xhr.setRequestHeader('X-File-Name', encodeURIComponent(file.name))
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total)
    }
    xhr.onload = () => {
      if (xhr.status === 201) resolve(xhr.response as Attachment)
      else reject(new ApiError(xhr.status, errorBody(xhr.response)))
    }
    xhr.onerror = () => reject(new ApiError(0, {}))
    xhr.onabort = () => reject(new DOMException('cancelled', 'AbortError'))
    signal.addEventListener('abort', () => xhr.abort())
    xhr.send(file)
  })
}
