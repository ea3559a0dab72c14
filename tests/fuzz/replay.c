/* Runs a fuzz target over files, and over all files of folders: the corpus as an ordinary test. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        return -1;
    }
    /* Exactly as large as the input, so that a sanitizer sees an octet read beyond it. */
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int rc = data != NULL && fread(data, 1, size, file) == size ? 0 : -1;
    fclose(file);
    if (rc == 0) {
        fprintf(stderr, "%s\n", path); /* the last one named is the culprit */
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    return rc;
}

static int replay_folder(const char *path, unsigned *count)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return -1;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        rc = replay_file(name);
        ++*count;
    }
    closedir(folder);
    return rc;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat status;
        bool is_folder = stat(argv[i], &status) == 0 && S_ISDIR(status.st_mode);
        count += !is_folder;
        if ((is_folder ? replay_folder(argv[i], &count) : replay_file(argv[i])) != 0)
            return 1;
    }
    printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
