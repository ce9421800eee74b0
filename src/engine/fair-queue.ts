/** What waits: whose it is and how much work it is. */
export interface Queueable {
  readonly task: string;
  readonly client: string;
  /** Row-steps. */
  readonly work: number;
}

/** Owners that share something by the work they were given. */
class Shares<O extends { start: number }> {
  readonly owners = new Map<string, O>();
  /** Where the owner served last began: one that comes back starts here and has saved up nothing. */
  clock = 0;

  /** The owner that has had the least work; the earliest among equals. */
  least(): O | undefined {
    let best: O | undefined;
    for (const owner of this.owners.values()) if (best === undefined || owner.start < best.start) best = owner;
    return best;
  }

  charge(owner: O, work: number): void {
    this.clock = owner.start;
    owner.start += work;
  }
}

interface Client<T> {
  start: number;
  items: T[];
}

interface TaskShare<T> {
  start: number;
  clients: Shares<Client<T>>;
}

/**
 * Waiting work, fair between tasks and, within a task, between clients: start-time fair queueing (Goyal, Vin and Cheng,
 * SIGCOMM 1996) on two levels. Measured in work, not in requests: who asks for 50 steps waits for its turn longer than
 * who asks for 4. Within one client's work of one task, first come, first served.
 */
export class FairQueue<T extends Queueable> {
  #tasks = new Shares<TaskShare<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(item: T): void {
    const { owners, clock } = this.#tasks;
    const task = owners.get(item.task) ?? { start: clock, clients: new Shares<Client<T>>() };
    owners.set(item.task, task);
    const client = task.clients.owners.get(item.client) ?? { start: task.clients.clock, items: [] };
    task.clients.owners.set(item.client, client);
    client.items.push(item);
    this.#size += 1;
  }

  /** Takes out the item whose turn it is. */
  shift(): T | undefined {
    const task = this.#tasks.least();
    const client = task?.clients.least();
    const item = client?.items.shift();
    if (!task || !client || !item) return undefined;
    this.#tasks.charge(task, item.work);
    task.clients.charge(client, item.work);
    this.#leave(item, task, client);
    return item;
  }

  /** Takes out one item. Returns whether it was there. */
  remove(item: T): boolean {
    const task = this.#tasks.owners.get(item.task);
    const client = task?.clients.owners.get(item.client);
    const place = client?.items.indexOf(item) ?? -1;
    if (!task || !client || place < 0) return false;
    client.items.splice(place, 1);
    this.#leave(item, task, client);
    return true;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const { clients } of this.#tasks.owners.values()) for (const { items } of clients.owners.values()) yield* items;
  }

  /** Owners without work are not kept, so that a million clients that came once cost nothing. */
  #leave(item: T, task: TaskShare<T>, client: Client<T>): void {
    this.#size -= 1;
    if (client.items.length === 0) task.clients.owners.delete(item.client);
    if (task.clients.owners.size === 0) this.#tasks.owners.delete(item.task);
  }
}
