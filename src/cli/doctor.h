/* synfin doctor: what could spoil a capture on this machine. */
#ifndef SYNFIN_CLI_DOCTOR_H
#define SYNFIN_CLI_DOCTOR_H

/* `count` words after "doctor". Prints what it found; an exit status of enum sf_status: partial
 * when something spoils a capture. */
int sf_doctor_run(int count, char **words);

#endif
