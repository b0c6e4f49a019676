/* Direct uploads for <input type="file" data-fs-upload="URL of fs.uploads()">. See "Direct uploads" in the Flask-FS documentation. */
(() => {
  'use strict'
  const PARALLEL = 4 // concurrent requests, for all files together
  const MAX_TRIES = 8 // per request, not counting attempts while offline
  const STALLED_MS = 60000 // without progress
  const TEXTS = {
    waiting: 'Waiting…', running: 'Uploading…', offline: 'Waiting for the network…', retrying: 'Retrying…',
    paused: 'Paused', done: 'Uploaded', failed: 'Failed', file: 'Uploaded file',
    pause: 'Pause', resume: 'Resume', retry: 'Retry', cancel: 'Cancel', remove: 'Remove',
  }
  const fields = []
  const pending = new Map() // forms that wait for uploads, with the button that submitted each
  const explained = new Set() // the origins that didn't respond
  const active = new Set() // the keys of the uploads on this page

  // --- Requests.

  const queue = []
  let slots = PARALLEL
  const limited = async (work) => {
    if (slots) slots--
    else await new Promise((go) => queue.push(go))
    try {
      return await work()
    } finally {
      if (queue.length) queue.shift()()
      else slots++
    }
  }

  const failure = (text, status) => Object.assign(new Error(text), {
    status,
    // 403 (see send): the signed request might have expired, so get a new one. 409: S3 is processing another request for this piece.
    again: !status || status >= 500 || [408, 409, 425, 429].includes(status),
  })

  const call = async (url, body, signal, method = 'POST') => {
    const csrf = document.querySelector('meta[name="csrf-token"]')
    const headers = { 'Content-Type': 'application/json', ...(csrf && { 'X-CSRFToken': csrf.content }) }
    let response, answer
    try {
      response = await fetch(url, { method, headers, body: JSON.stringify(body), signal, keepalive: method === 'DELETE' })
      answer = await response.text()
    } catch (error) {
      throw failure(error.message, 0)
    }
    try {
      answer = answer && JSON.parse(answer)
    } catch {
      answer = {}
    }
    if (!response.ok) throw failure(answer.error || `${response.status} ${response.statusText}`, response.status)
    return answer
  }

  /** Scripts can't detect that CORS blocked a request, so log a hint for developers. */
  const explain = ({ origin }) => {
    if (origin === location.origin || !navigator.onLine || explained.has(origin)) return
    explained.add(origin)
    console.warn(`An upload to ${origin} got no response. If the browser reports a CORS error, allow this page: flask fs cors STORAGE --origin ${location.origin}`)
  }

  const send = ({ method, url, headers, fields }, blob, signal, progress) => new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest()
    let body = blob, timer
    const alive = () => {
      clearTimeout(timer)
      timer = setTimeout(() => xhr.abort(), STALLED_MS)
    }
    const abort = () => xhr.abort()
    if (method === 'POST') {
      body = new FormData()
      for (const name in fields) body.append(name, fields[name])
      body.append('file', blob)
    }
    xhr.open(method, url)
    for (const name in headers) xhr.setRequestHeader(name, headers[name])
    xhr.upload.onprogress = (event) => {
      alive()
      progress(Math.min(event.loaded, blob.size))
    }
    xhr.onloadend = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      // 412: an earlier attempt succeeded, but its response was lost.
      if ((xhr.status >= 200 && xhr.status < 300) || xhr.status === 412) {
        progress(blob.size)
        resolve()
      } else {
        if (!xhr.status && !signal.aborted) explain(new URL(url, location))
        const error = failure(`${xhr.status} ${xhr.statusText}`, xhr.status)
        error.again ||= xhr.status === 403
        reject(error)
      }
    }
    signal.addEventListener('abort', abort)
    alive()
    if (signal.aborted) abort()
    xhr.send(body)
  })

  /** Wait before another attempt: a delay that doubles each time, or until the browser is online again. */
  const pause = (tries) => new Promise((resolve) => {
    let timer
    const go = () => {
      clearTimeout(timer)
      removeEventListener('online', go)
      resolve()
    }
    addEventListener('online', go)
    if (navigator.onLine) timer = setTimeout(go, Math.min(30000, 500 * 2 ** tries) * (0.75 + Math.random() / 2))
  })

  // --- One file.

  class Upload {
    constructor(field, file) {
      this.field = field
      this.file = file
      this.name = file.name
      this.size = file.size
      this.loaded = 0
      this.state = 'waiting'
      const key = ['fs-upload', field.url, file.name, file.size, file.lastModified].join(':')
      if (!active.has(key)) {
        active.add(this.key = key)
        this.token = storage('getItem', key)
      }
    }

    pause() {
      if (this.state === 'done') return
      this.stop()
      this.set('paused')
    }

    /** Continue after pause(), or retry after a failure. */
    resume() {
      if (this.state === 'paused' || this.state === 'failed') this.start()
    }

    /** Cancel the upload, or remove the uploaded file. */
    cancel() {
      this.stop()
      if (this.token) call(this.field.url, { token: this.token }, undefined, 'DELETE').catch(() => {})
      this.forget()
      this.field.remove(this)
      this.set('canceled')
    }

    stop() {
      if (this.controller) this.controller.abort()
    }

    forget() {
      active.delete(this.key)
      storage('removeItem', this.key)
    }

    set(state, error) {
      this.state = state
      this.error = error
      emit(this.field.input, 'state', this)
      this.field.settle()
    }

    async start() {
      const { signal } = this.controller = new AbortController()
      this.set('running')
      try {
        await this.transfer(signal)
      } catch (error) {
        if (signal.aborted) return
        this.stop() // its other requests
        this.set('failed', error.message)
        return
      }
      if (signal.aborted) return
      this.forget()
      this.set('done')
    }

    async transfer(signal) {
      const { file, size, field: { url } } = this
      const again = (work) => this.again(signal, work)
      const post = (body) => call(url, body, signal)
      const loaded = new Map()
      const progress = (start, bytes) => {
        loaded.set(start, bytes)
        this.loaded = [...loaded.values()].reduce((sum, each) => sum + each, 0)
        if (!signal.aborted) emit(this.field.input, 'progress', this)
      }
      let known, ticket
      if (this.token) {
        try {
          known = await again(() => post({ token: this.token }))
          if (known.size !== size) known = null
        } catch (error) {
          if (error.status !== 403) throw error // otherwise it has expired, or belongs to another user
        }
      }
      if (!known) {
        known = ticket = await again(() => post({ filename: file.name, size, type: file.type }))
        this.token = ticket.token
        storage('setItem', this.key, this.token)
      }
      const arrived = new Map(known.arrived)
      const sent = []
      for (let start = 0; start === 0 || start < size; start += known.piece_bytes) {
        const blob = file.slice(start, start + known.piece_bytes) // without a type, which browsers would send
        if (arrived.get(start) === blob.size) {
          progress(start, blob.size)
          continue
        }
        sent.push(again(async () => {
          const request = size <= known.piece_bytes && ticket ? ticket : await post({ token: this.token, start })
          ticket = null // it might expire before the next attempt
          await send(request, blob, signal, (bytes) => progress(start, bytes))
        }))
      }
      await Promise.all(sent)
    }

    async again(signal, work) {
      for (let tries = 0; ; tries++) {
        try {
          return await limited(() => {
            if (signal.aborted) throw failure('aborted', 0)
            return work()
          })
        } catch (error) {
          const away = !navigator.onLine
          if (signal.aborted || !error.again || (tries >= MAX_TRIES && !away)) throw error
          this.set(away ? 'offline' : 'retrying')
          await pause(tries)
          if (away) tries = 0
          if (!signal.aborted) this.set('running')
        }
      }
    }
  }

  // --- One input.

  class Field {
    constructor(input) {
      this.input = input
      this.url = input.dataset.fsUpload
      this.form = input.form
      this.name = input.name
      this.required = input.required
      this.texts = { ...TEXTS, ...JSON.parse(input.dataset.fsTexts || '{}') }
      this.uploads = []
      this.list = document.createElement('ul')
      this.list.className = 'fs-uploads'
      // The form submits tokens under this name, not the files.
      input.removeAttribute('name')
      input.addEventListener('change', () => {
        this.add(input.files)
        input.value = ''
      })
      const area = this.area = input.closest('[data-fs-drop]') || input.parentElement
      area.addEventListener('dragover', (event) => {
        if (!event.dataTransfer.types.includes('Files')) return
        event.preventDefault()
        area.classList.add('fs-dragover')
      })
      area.addEventListener('dragleave', () => area.classList.remove('fs-dragover'))
      area.addEventListener('drop', (event) => {
        area.classList.remove('fs-dragover')
        if (!event.dataTransfer.files.length) return
        event.preventDefault()
        this.add(event.dataTransfer.files)
      })
      if (this.form) this.adopt()
      if (input.files.length) this.add(input.files) // kept by the browser after a reload
      input.value = ''
    }

    /** Adopt the tokens that the server rendered into the form again, because another field was invalid. */
    adopt() {
      const { form } = this
      for (const hidden of form.querySelectorAll('input[type=hidden]')) {
        if (hidden.name !== this.name || !hidden.value) continue
        const upload = new Upload(this, { name: hidden.dataset.fsName || this.texts.file, size: 0, lastModified: 0 })
        upload.token = hidden.value
        hidden.remove()
        this.show(upload)
        upload.set('done')
      }
      if (fields.some((field) => field.form === form)) return
      form.addEventListener('submit', submit, true)
      form.addEventListener('reset', () => uploadsOf(form).forEach((upload) => upload.cancel()))
    }

    add(files) {
      const many = this.input.multiple
      if (!many && files.length) [...this.uploads].forEach((upload) => upload.cancel())
      for (const file of many ? files : [...files].slice(0, 1)) {
        const upload = new Upload(this, file)
        this.show(upload)
        if (upload.state === 'waiting') upload.start() // otherwise the page canceled it
      }
    }

    show(upload) {
      this.uploads.push(upload)
      if (emit(this.input, 'added', upload)) new Item(upload, this)
    }

    remove(upload) {
      this.uploads = this.uploads.filter((each) => each !== upload)
      if (upload.hidden) upload.hidden.remove()
    }

    settle() {
      const { input, form, uploads } = this
      input.required = this.required && !uploads.length
      const done = form ? uploads.filter((upload) => upload.state === 'done') : []
      if (done.some((upload) => !upload.hidden)) {
        for (const upload of done) {
          const field = { type: 'hidden', name: this.name, value: upload.token }
          upload.hidden ||= Object.assign(document.createElement('input'), field)
          form.append(upload.hidden) // in the order in which the files were chosen
        }
      }
      if (!pending.has(form)) return
      const states = uploadsOf(form).map((upload) => upload.state)
      if (states.some((state) => state === 'failed' || state === 'paused')) {
        pending.delete(form)
      } else if (states.every((state) => state === 'done')) {
        const button = pending.get(form)
        pending.delete(form)
        form.requestSubmit(button)
      }
    }
  }

  /** The list item of one upload, unless the page has its own display. */
  class Item {
    constructor(upload, { list, texts, input }) {
      const element = (tag, props) => Object.assign(document.createElement(tag), props)
      const row = element('li', { className: 'fs-upload' })
      const bar = element('progress', { max: 1, value: 0 })
      const status = element('output')
      const button = (text, act) => {
        const made = element('button', { type: 'button', textContent: text, onclick: act })
        made.setAttribute('aria-label', `${text}: ${upload.name}`)
        return made
      }
      const stop = button(texts.pause, () => upload.pause())
      const go = button(texts.resume, () => upload.resume())
      const retry = button(texts.retry, () => upload.resume())
      const cancel = button(texts.cancel, () => upload.cancel())
      const remove = button(texts.remove, () => upload.cancel())
      bar.setAttribute('aria-label', upload.name)
      row.append(element('span', { textContent: upload.name }), bar, status, stop, go, retry, cancel, remove)
      if (!list.isConnected) (input.closest('label') || input).after(list)
      list.append(row)
      const update = ({ type, detail }) => {
        if (detail !== upload) return
        const { state } = upload
        bar.value = state === 'done' ? 1 : upload.size ? upload.loaded / upload.size : 0
        if (type.endsWith('progress')) return
        if (state === 'canceled') {
          input.removeEventListener('fs-upload:state', update)
          input.removeEventListener('fs-upload:progress', update)
          // The focused button disappears, so move the focus to the input.
          if (row.contains(document.activeElement)) input.focus()
          row.remove()
          return
        }
        row.dataset.state = state
        status.textContent = upload.error ? `${texts[state]}: ${upload.error}` : texts[state]
        const runs = !['paused', 'failed', 'done'].includes(state)
        const shown = { [state === 'done' ? 'remove' : 'cancel']: 1, [runs ? 'stop' : state]: 1 }
        const focused = row.contains(document.activeElement) && document.activeElement
        stop.hidden = !shown.stop
        go.hidden = !shown.paused
        retry.hidden = !shown.failed
        cancel.hidden = !shown.cancel
        remove.hidden = !shown.remove
        bar.hidden = state === 'done'
        if (focused && focused.hidden) row.querySelector('button:not([hidden])').focus()
      }
      input.addEventListener('fs-upload:state', update)
      input.addEventListener('fs-upload:progress', update)
      update({ type: '', detail: upload })
    }
  }

  // --- The page.

  const emit = (input, what, detail) =>
    input.dispatchEvent(new CustomEvent(`fs-upload:${what}`, { detail, bubbles: true, cancelable: what === 'added' }))

  /** localStorage, which can be blocked or full. Then uploads can't be resumed after a reload. */
  const storage = (verb, key, ...value) => {
    try {
      return key && localStorage[verb](key, ...value)
    } catch {
      return null
    }
  }

  const uploadsOf = (form) => fields.filter((field) => field.form === form).flatMap((field) => field.uploads)

  /** Make a form wait for its uploads. It is submitted when all of them are complete. */
  const submit = (event) => {
    const form = event.currentTarget
    const unfinished = uploadsOf(form).filter((upload) => upload.state !== 'done')
    if (!unfinished.length) return
    event.preventDefault()
    event.stopImmediatePropagation()
    unfinished.forEach((upload) => upload.resume())
    pending.set(form, event.submitter)
  }

  document.addEventListener('paste', (event) => {
    const files = event.clipboardData ? event.clipboardData.files : []
    const field = fields.find(({ area }) => area.contains(event.target)) || (fields.length === 1 && fields[0])
    if (!files.length || !field) return
    event.preventDefault()
    field.add(files)
  })

  /** Set up an input that was added to the page later. */
  window.fsUpload = (input) => {
    if (!fields.some((field) => field.input === input)) fields.push(new Field(input))
  }

  const start = () => document.querySelectorAll('input[type=file][data-fs-upload]').forEach(window.fsUpload)
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start)
  else start()
})()
