// Sends a file as the arguments say, pausing once half-way, and prints the URL of the upload.
import { readFileSync } from 'node:fs'
import { Upload } from 'tus-js-client'

const [endpoint, path, options] = process.argv.slice(2)
const content = readFileSync(path)
let hasPaused = false
const upload = new Upload(content, {
  endpoint,
  metadata: { filename: 'ä.bin', filetype: 'application/octet-stream' },
  ...JSON.parse(options),
  onProgress(sent, size) {
    if (!hasPaused && sent > size / 2) {
      hasPaused = true
      upload.abort().then(() => setTimeout(() => upload.start(), 300))
    }
  },
  onError(error) {
    console.error(String(error))
    process.exit(1)
  },
  onSuccess() {
    console.log(upload.url)
  },
})
upload.start()
