import { flightOf } from "./flight.ts";
import type { Flight, FlightFault, Isolation } from "./flight.ts";

/**
 * Isolates what made a flight fail: the flights to run instead, in order, or null when it was one message alone,
 * which then is at fault.
 *
 *   with a suspect    | before | suspect | after |     two more crossings and the suspect's own, as a rule
 *   without           | first half | second half |     until the message is found
 *
 * The suspect is the message begun last. A transform that begins all and then waits misleads once: the messages before
 * its suspect fail again, and are halved.
 *
 * Losing the worker once more is expected of the suspect, and of one of two halves. Only losses beyond count towards
 * the breaker: a poisonous message is no crash loop.
 */
export function isolate(flight: Flight, fault: FlightFault): Flight[] | null {
  const { crossing, attempt } = flight;
  if (crossing.length <= 1) return null;
  const halves = fault.suspect < 0 || flight.isolation?.halves === true;
  if (halves) return halve(flight, attempt + 1);
  const suspect = crossing[fault.suspect];
  if (suspect === undefined) return halve(flight, attempt + 1);
  const at = flight.entries.indexOf(suspect);
  const before: Isolation = { isLossExpected: () => false, onLoss: () => undefined, halves: true };
  const alone: Isolation = { isLossExpected: () => true, onLoss: () => undefined, halves: false };
  const after: Isolation = { isLossExpected: () => false, onLoss: () => undefined, halves: false };
  return [
    flightOf(flight.entries.slice(0, at), attempt + 1, before),
    flightOf(flight.entries.slice(at, at + 1), attempt + 1, alone),
    flightOf(flight.entries.slice(at + 1), attempt + 1, after),
  ].filter(({ entries }) => entries.length > 0);
}

function halve(flight: Flight, attempt: number): Flight[] {
  const { entries, crossing } = flight;
  const middle = crossing[crossing.length >>> 1];
  const at = middle === undefined ? entries.length : entries.indexOf(middle);
  let isOneLost = false;
  const isolation: Isolation = {
    isLossExpected: () => !isOneLost,
    onLoss: () => {
      isOneLost = true;
    },
    halves: true,
  };
  return [
    flightOf(entries.slice(0, at), attempt, isolation),
    flightOf(entries.slice(at), attempt, isolation),
  ];
}
