// Opens a RedisStore in a process of the contract. The address is in the query of this module's own.
import { Redis } from 'ioredis'
import { RedisStore } from '../../lib/stores/redis.js'

const url = new URL(import.meta.url).searchParams.get('redis') ?? ''

export const open = () => new RedisStore(new Redis(url))
