# Mixed-effects model '@NAME@', written by stressnet.
# Response: @RESPONSE@
# Coded columns (two levels: +0.5 and -0.5; more: deviations from the mean of levels):
@LEGEND@
# Run in this folder: Rscript @STEM@.R
library(lme4)

d <- read.csv("@STEM@.csv", colClasses = c(speaker = "character", word = "character"))
m <- lmer(response ~ @TERMS@ + (1 | speaker) + (1 | word), data = d, REML = TRUE)
print(summary(m))

if (requireNamespace("broom.mixed", quietly = TRUE)) {
  print(broom.mixed::tidy(m, conf.int = TRUE))
}
fixed <- coef(summary(m))
sds <- as.data.frame(VarCorr(m))
sd_of <- function(group) sds$sdcor[sds$grp == group]
out <- data.frame(
  term = c(@NAMES@),
  estimate = fixed[, "Estimate"],
  se = fixed[, "Std. Error"],
  sd_speaker = sd_of("speaker"),
  sd_word = sd_of("word"),
  sd_residual = sd_of("Residual"),
  log_likelihood = as.numeric(logLik(m))
)
write.csv(out, "@STEM@_r.csv", row.names = FALSE)
