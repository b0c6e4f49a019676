// What a page has: send(endpoint, content) resolves to the name of the file.
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'

window.send = (endpoint, size) =>
  new Promise((resolve, reject) => {
    const content = new Uint8Array(size).map((_, at) => at % 251)
    let name = null
    const uppy = new Uppy()
    uppy.use(Tus, {
      endpoint,
      chunkSize: 3 * 1024 * 1024,
      onAfterResponse(_, response) {
        name = response.getHeader('Upload-Filename') || name
      },
    })
    uppy.addFile({ name: 'a b.bin', type: 'application/octet-stream', data: new Blob([content]) })
    uppy.on('upload-error', (_, error) => reject(error))
    uppy.upload().then(result => (result.failed.length ? reject(result.failed[0].error) : resolve(name)), reject)
  })
