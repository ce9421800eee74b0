/**
 * Maps items with at most `limit` calls under way and gives the results in the order of the items. Pulls an item only when there
 * is room, so a slow consumer holds the source back.
 */
export async function* mapOrdered<T, R>(items: AsyncIterable<T> | Iterable<T>, limit: number, map: (item: T) => Promise<R>): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  for await (const item of items) {
    const result = map(item);
    // Its turn to be awaited may come after it has failed.
    result.catch(() => undefined);
    underWay.push(result);
    if (underWay.length >= limit) yield await underWay.shift()!;
  }
  for (const result of underWay) yield await result;
}
