# Relevance by region, from the tables that stressnet export-r wrote beside this file.
# Rscript analysis.R, in this folder, writes table.csv and relevance.pdf.
# Columns are explained in data-dictionary.md. Needs lme4 and ggplot2.
library(lme4)
library(ggplot2)

tokens <- read.csv("tokens.csv", na.strings = "", stringsAsFactors = TRUE)
relevance <- read.csv("relevance.csv", na.strings = "", stringsAsFactors = TRUE)
for (table in c("tokens", "relevance"))
  assign(table, within(get(table), token_id <- as.character(token_id)))
tokens$speaker <- factor(tokens$speaker)
relevance <- merge(relevance, tokens, by = "token_id")
# The column that the network tells: stress, or that of another contrast.
told <- sub("_predicted$", "", grep("_predicted$", names(tokens), value = TRUE)[1])

# Share of the positive relevance that lies in a region, and the same after an exchange of the
# token's tracks or times with another token's (the null).
shown <- c("syllable_stressed", "syllable_unstressed", "nucleus_stressed", "nucleus_unstressed",
           "F1", "F2", "F3", "F4", "F0")
relevance <- subset(relevance, region %in% shown & !is.na(positive_share))
relevance$region <- factor(relevance$region, levels = shown)
relevance$beyond_null <- relevance$positive_share - relevance$null_positive_share

# The mean over tokens, and a mixed model: how far beyond its null, with speakers and words as
# random effects.
row_of <- function(part) {
  part <- subset(part, !is.na(beyond_null))
  row <- data.frame(region = part$region[1], n_tokens = nrow(part),
                    mean = mean(part$positive_share), null_mean = mean(part$null_positive_share),
                    beyond_null = NA, low = NA, high = NA)
  # Too few speakers or words, or no spread: no interval.
  fitted <- tryCatch({
    model <- suppressMessages(lmer(beyond_null ~ 1 + (1 | speaker) + (1 | word), data = part))
    fixef(model)[[1]] + c(0, -1.96, 1.96) * sqrt(vcov(model)[1, 1])
  }, error = function(e) NULL)
  if (!is.null(fitted)) row[c("beyond_null", "low", "high")] <- fitted
  row
}
table <- do.call(rbind, lapply(split(relevance, relevance$region, drop = TRUE), row_of))
write.csv(table, "table.csv", row.names = FALSE)
print(table, row.names = FALSE, digits = 3)

# The intervals are those of the mixed model, by Wald; with few speakers they are too narrow.
figure <- ggplot(table, aes(x = beyond_null, y = region)) +
  geom_vline(xintercept = 0, linewidth = 0.3) +
  geom_pointrange(aes(xmin = low, xmax = high), size = 0.3, na.rm = TRUE) +
  scale_y_discrete(limits = rev) +
  labs(x = "share of positive relevance\nbeyond the null", y = NULL) +
  theme_minimal(base_size = 9)
ggsave("relevance.pdf", figure, width = 90, height = 70, units = "mm")

if (file.exists("cues.csv")) {
  cues <- read.csv("cues.csv", na.strings = "", stringsAsFactors = TRUE)
  # Is a stressed vowel longer, beyond its place in the word?
  model <- lmer(log(nucleus_duration_s) ~ stressed + factor(syllable) + (1 | speaker) + (1 | word),
                data = subset(cues, !is.na(stressed)))
  print(summary(model)$coefficients, digits = 3)
}

if (file.exists("contours.csv")) {
  contours <- read.csv("contours.csv", na.strings = "", stringsAsFactors = TRUE)
  contours <- merge(contours, tokens[c("token_id", told)], by = "token_id")
  names(contours)[names(contours) == told] <- "class"
  # Mean contours by class; loudness beside the word's own mean. Unvoiced points have no F0.
  contours$intensity_db <- contours$intensity_db -
    ave(contours$intensity_db, contours$token_id, FUN = function(x) mean(x, na.rm = TRUE))
  shown <- rbind(transform(contours, what = "F0 (st re speaker's median)", value = f0_st),
                 transform(contours, what = "intensity (dB re word's mean)", value = intensity_db))
  means <- aggregate(value ~ what + part + point + class, data = shown, FUN = mean)
  colours <- c(INITIAL = "#c8400c", PREANTEPENULTIMATE = "#222222", ANTEPENULTIMATE = "#c8400c",
               PENULTIMATE = "#009e73", FINAL = "#1768ac")
  if (told != "stress") {
    first <- toupper(sub("^p_", "", grep("^p_", names(tokens), value = TRUE)[1]))
    colours <- setNames(c("#c8400c", "#1768ac"), c(first, setdiff(means$class, first)))
  }
  figure <- ggplot(means, aes(x = point, y = value, colour = class)) + geom_line() +
    facet_grid(what ~ part, scales = "free_y", switch = "y") +
    scale_colour_manual(values = colours, breaks = names(colours)) +
    labs(x = "point (equal parts of the vowel or word)", y = NULL, colour = told) +
    theme_minimal(base_size = 9)
  ggsave("contours.pdf", figure, width = 160, height = 90, units = "mm")
}
