// The server of the protocol's authors, on a folder: prints its port.
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const day = 24 * 60 * 60 * 1000
const datastore = new FileStore({ directory: process.argv[2], expirationPeriodInMilliseconds: day })
const server = new Server({ path: '/tus/files', maxSize: 1000, datastore })
const http = server.listen({ host: '127.0.0.1', port: 0 }, () => console.log(http.address().port))
