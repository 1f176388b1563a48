import { runnerContract } from "./runner-contract.ts";

runnerContract("process");
