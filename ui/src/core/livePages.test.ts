import { describe, expect, it } from "vitest";
import type { Run } from "@/queries/types";
import { mergedPages, type RunPage } from "./livePages";

const run = (id: string, name = id): Run => ({ info: { run_id: id, run_uuid: id, run_name: name } }) as Run;
const page = (ids: string, next = "more", total: number | null = null): RunPage => ({
  runs: [...ids].map((id) => run(id)),
  next,
  total,
});
const shown = (pages: readonly RunPage[]) => pages.map((each) => each.runs.map((one) => one.info.run_name).join(""));

describe("mergedPages", () => {
  it("replaces a single page by the one asked for again", () => {
    expect(mergedPages([page("abc")], page("xab", "next", 9), [], [])).toEqual([page("xab", "next", 9)]);
  });

  it("moves runs that new ones push off the first page to the head of the second", () => {
    expect(shown(mergedPages([page("abc"), page("def")], page("xya"), [], []))).toEqual(["xya", "bcdef"]);
  });

  it("shows a run that came to the top there only", () => {
    expect(shown(mergedPages([page("abc"), page("def")], page("eab"), [run("e")], ["e"]))).toEqual(["eab", "cdf"]);
  });

  it("shows touched runs in their place as they are now", () => {
    expect(shown(mergedPages([page("abc"), page("def")], page("abc"), [run("e", "E")], ["e"]))).toEqual(["abc", "dEf"]);
  });

  it("drops touched runs that match no longer, from every page", () => {
    expect(shown(mergedPages([page("abc"), page("def")], page("acd"), [], ["b", "f"]))).toEqual(["acd", "e"]);
  });

  it("goes on after the last loaded page, with the number of all runs as it is now", () => {
    const pages = mergedPages([page("ab", "t1", 4), page("cd", "t2")], page("xa", "t9", 5), [], []);
    expect(pages.at(-1)?.next).toBe("t2");
    expect(pages[0]?.total).toBe(5);
  });

  it("keeps nothing below a first page that holds everything", () => {
    expect(shown(mergedPages([page("abc"), page("def")], page("ab", ""), [], []))).toEqual(["ab"]);
  });
});
