/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that the lab brings to the program; rows of the table in cli/main.c. */
#ifndef LAB_LAB_H
#define LAB_LAB_H

int cmd_agent(int argc, char **argv);
int cmd_benchmark(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_ope(int argc, char **argv);

#endif
