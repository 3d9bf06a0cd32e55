import { describe, expect, test } from 'vitest';

interface Zones {
  readonly beginOf: (day: string, zone: string) => number;
  readonly dayAt: (atMs: number, zone: string) => string;
  readonly daysAfter: (day: string, count: number) => string;
}

const HOUR_MS = 3_600_000;
const MODULE: string = '../../crates/usage-portal/src/web/zones.js';
const load = () => import(MODULE) as Promise<Zones>;

describe('the begin of a day', async () => {
  const { beginOf, dayAt, daysAfter } = await load();
  const begin = (day: string, zone: string) => new Date(beginOf(day, zone)).toISOString();

  test.each([
    ['UTC', '2026-03-29', '2026-03-29T00:00:00.000Z'],
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00.000Z'],
    ['Pacific/Auckland', '2026-09-27', '2026-09-26T12:00:00.000Z'],
    ['America/Los_Angeles', '2026-11-01', '2026-11-01T07:00:00.000Z'],
    // The clocks go forward at midnight: the first hour does not exist.
    ['Atlantic/Azores', '2026-03-29', '2026-03-29T01:00:00.000Z'],
    ['America/Santiago', '2026-09-06', '2026-09-06T04:00:00.000Z'],
    ['America/Havana', '2026-03-08', '2026-03-08T05:00:00.000Z'],
    ['Africa/Cairo', '2026-04-24', '2026-04-23T22:00:00.000Z'],
    // They go back at midnight, or to it: the last hour of the day before, or the first hour, is there twice.
    ['America/Santiago', '2026-04-05', '2026-04-05T04:00:00.000Z'],
    ['America/Havana', '2026-11-01', '2026-11-01T04:00:00.000Z'],
    ['Atlantic/Azores', '2026-10-25', '2026-10-25T00:00:00.000Z'],
  ])('in %s on %s is %s', (zone, day, expected) => {
    expect(begin(day, zone)).toBe(expected);
  });

  test.each(['Atlantic/Azores', 'America/Santiago', 'America/Havana', 'Africa/Cairo', 'Asia/Beirut', 'Pacific/Apia'])(
    'in %s is in the day, and an hour before is not, on all days of a year',
    (zone) => {
      for (let day = '2026-01-01'; day < '2027-01-01'; day = daysAfter(day, 1)) {
        const atMs = beginOf(day, zone);
        expect([dayAt(atMs - HOUR_MS, zone), dayAt(atMs, zone)], day).toEqual([daysAfter(day, -1), day]);
      }
    },
  );
});
