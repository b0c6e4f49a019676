// What the how-to page on direct uploads shows, to be called by a test.
import AwsS3 from '@uppy/aws-s3'
import Uppy from '@uppy/core'

window.send = async (endpoint, name, type, size, options) => {
  const uppy = new Uppy()
  const sign = async (body) => {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    const signed = await response.json()
    if (!response.ok) throw new Error(signed.error)
    return signed
  }
  uppy.use(AwsS3, {
    ...options,
    generateObjectKey: (file) => (options.plain ? file.name : file.id),
    async signRequest(request) {
      const file = options.plain ? undefined : uppy.getFile(request.key) // later the key is the token
      const signed = await sign({ ...request, filename: file?.name, size: file?.size })
      if (file) uppy.setFileMeta(file.id, { token: signed.key })
      return signed
    },
  })
  uppy.addFile({ name, type, data: new File([new Uint8Array(size).map((_, at) => at % 251)], name, { type }) })
  const { successful, failed } = await uppy.upload()
  return {
    tokens: successful.map((file) => (options.plain ? file.response.body.key : file.meta.token)),
    errors: failed.map((file) => String(file.error)),
  }
}
